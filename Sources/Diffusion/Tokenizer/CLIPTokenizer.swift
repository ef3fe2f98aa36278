import TensorCore

/// CLIP's byte-level byte-pair encoding, equal in ids to `transformers.CLIPTokenizer`.
///
/// A caption is normalised (NFC, white space collapsed, lower case), cut into words (letter runs, single
/// digits, runs of other characters, English contractions), and each word's UTF-8 bytes are merged pair by
/// pair. Special tokens written in a caption are taken as such, as transformers does: with a padding token
/// `!` (SD 2.x) every `!` in a caption is that token.
public struct CLIPTokenizer: Sendable {
  /// Captions longer than this many Unicode scalars are refused.
  public static let maximumCharacters = 8192

  /// The length that captions are padded and cut to, both special tokens included; 77 for CLIP.
  public let maximumLength: Int
  /// The id in front of every caption, `<|startoftext|>`.
  public let beginningID: Int
  /// The id behind every caption, `<|endoftext|>`.
  public let endID: Int
  /// The id that fills the rest: `<|endoftext|>` in SD 1.x, `!` in SD 2.x and in SDXL's second tokenizer.
  public let paddingID: Int
  /// One more than the highest id.
  public let vocabularySize: Int

  private let encoder: BytePairEncoder
  private let specials: SpecialTokens
  private let texts: [Int: String]

  /// Reads a checkpoint's `tokenizer` folder: `vocab.json` and `merges.txt`, or `tokenizer.json`; and, where
  /// they exist, `tokenizer_config.json` and `special_tokens_map.json`.
  /// - Throws: `DataError` that names the file when one is missing or malformed.
  public init(folder: String) throws {
    let files = try TokenizerFiles(folder: folder)
    let vocabulary = files.vocabulary
    specials = try SpecialTokens(files)
    var texts = Dictionary(vocabulary.map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    for token in specials.tokens { texts[token.id] = token.content }
    self.texts = texts
    vocabularySize = 1 + (texts.keys.max() ?? 0)
    maximumLength = files.maximumLength
    beginningID = specials.beginningID
    endID = specials.endID
    paddingID = specials.paddingID
    encoder = try BytePairEncoder(files, unknown: specials.unknown)
  }

  /// A piece of a caption with its id and the word it is part of.
  public struct Token: Sendable, Equatable {
    /// The place in the vocabulary.
    public let id: Int
    /// As the vocabulary writes it: `dog</w>`.
    public let text: String
    /// The normalised word, such as `dog`, `'s` or `!`.
    public let word: String
    /// The word's place in the caption; the pieces of one word share it.
    public let wordIndex: Int
  }

  /// The caption's ids, without start, end and padding, and not cut.
  public func encode(_ text: String) -> [Int] {
    var ids: [Int] = []
    forEachWord(of: text) { _, pieces in ids += pieces }
    return ids
  }

  /// The caption's pieces with their words, in the order of `encode`.
  public func tokens(for text: String) -> [Token] {
    var tokens: [Token] = []
    var index = 0
    forEachWord(of: text) { word, pieces in
      tokens += pieces.map { Token(id: $0, text: texts[$0] ?? "", word: word(), wordIndex: index) }
      index += 1
    }
    return tokens
  }

  /// The text encoder's input: start, the caption cut to fit, end, padding. The result has `length`
  /// (default `maximumLength`) ids.
  /// - Throws: `DataError` when the caption has more than `maximumCharacters` characters.
  public func ids(for text: String, length: Int? = nil) throws -> [Int64] {
    try CLIPTokenizer.check(text)
    let length = length ?? maximumLength
    precondition(length >= 2, "no room for the start and end tokens")
    var ids = [beginningID] + encode(text).prefix(length - 2) + [endID]
    ids += Array(repeating: paddingID, count: length - ids.count)
    return ids.map(Int64.init)
  }

  /// Refuses a caption that is too long.
  /// - Throws: `DataError` with the caption's start and length.
  public static func check(_ text: String) throws {
    let count = text.unicodeScalars.count
    guard count <= maximumCharacters else {
      let start = String(text.prefix(24)).split(whereSeparator: \.isNewline).joined(separator: " ")
      throw DataError(
        "the caption “\(start)…” has \(count) characters; at most \(maximumCharacters) are allowed")
    }
  }

  /// Calls `body` with each word (made on demand) and its ids.
  private func forEachWord(of text: String, _ body: (_ word: () -> String, _ ids: [Int]) -> Void) {
    func words(_ scalars: ArraySlice<Unicode.Scalar>) {
      WordSplitter.forEachWord(of: scalars) { word in
        let text = { String(String.UnicodeScalarView(word)) }
        body(text, encoder.encode(word))
      }
    }
    // Tokens marked as normalised are looked for in the normalised text, the others in the raw one.
    specials.split(Array(text.unicodeScalars)[...], normalized: false) { part, token in
      if let token { return body({ token.content }, [token.id]) }
      let clean = TextNormalizer.normalized(part)
      specials.split(clean[...], normalized: true) { part, token in
        if let token { body({ token.content }, [token.id]) } else { words(part) }
      }
    }
  }
}
