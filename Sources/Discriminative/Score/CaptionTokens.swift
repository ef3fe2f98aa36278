import Diffusion

/// A caption as a pipeline's tokenizers cut it, without start, end and padding, and cut to the model's length.
public struct CaptionTokens: Sendable {
  public let text: String
  /// For each tokenizer its pieces.
  public let pieces: [[CLIPTokenizer.Token]]

  /// The position of the caption's first token, behind the start token and learned prompt tokens.
  let firstPosition: Int

  /// - Parameters:
  ///   - tokenizers: with the number of ids that each gives, start and end included.
  ///   - shift: the number of prompt tokens between the start token and the caption.
  public init(
    _ text: String, _ tokenizers: [(tokenizer: CLIPTokenizer, length: Int)], shift: Int = 0
  ) {
    self.text = text
    firstPosition = 1 + shift
    pieces = tokenizers.map {
      Array($0.tokenizer.tokens(for: text).prefix(max($0.length - 2 - shift, 0)))
    }
  }

  /// The text positions of the caption's own tokens, those of the tokenizer that makes most of it; empty for
  /// the empty caption.
  public var content: Range<Int> {
    firstPosition..<firstPosition + (pieces.map(\.count).max() ?? 0)
  }

  /// A word with the text positions of its tokens.
  public struct Word: Sendable, Equatable {
    public let text: String
    public let positions: Range<Int>
  }

  /// The caption's words as the first tokenizer parts it; punctuation is a word of its own.
  public var words: [Word] {
    var words: [Word] = []
    var last: Int?
    for (place, piece) in (pieces.first ?? []).enumerated() {
      let position = firstPosition + place
      if piece.wordIndex == last {
        let word = words.removeLast()
        words.append(Word(text: word.text, positions: word.positions.lowerBound..<position + 1))
      } else {
        words.append(Word(text: piece.word, positions: position..<position + 1))
      }
      last = piece.wordIndex
    }
    return words
  }
}
