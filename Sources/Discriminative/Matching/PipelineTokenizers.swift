import Diffusion
import GraphIR
import Rewrites

/// The tokenizers of a pipeline's text inputs.
public struct PipelineTokenizers: Sendable {
  let list: [(input: String, tokenizer: CLIPTokenizer, length: Int)]

  /// The positions by which the graph moves captions, see ``PromptTokens``.
  private let shift: Int

  /// - Parameters:
  ///   - graph: the pipeline's.
  ///   - folder: where the tokenizers' folders are.
  /// - Throws: `DataError` that names the file when one is missing or malformed.
  public init(_ description: PipelineDescription, of graph: Graph, folder: String) throws {
    shift = try PromptTokens.shift(of: graph)
    list = try description.tokenizers.map {
      ($0.input, try CLIPTokenizer(folder: "\(folder)/\($0.folder)"), $0.maxLength)
    }
  }

  /// The ids of a caption for each text input, `[length]`.
  /// - Throws: `DataError` when the caption is too long.
  public func ids(_ caption: String) throws -> [String: [Int64]] {
    var result: [String: [Int64]] = [:]
    for (input, tokenizer, length) in list { result[input] = try tokenizer.ids(for: caption, length: length) }
    return result
  }

  /// The caption as every tokenizer cuts it.
  func tokens(_ caption: String) -> CaptionTokens {
    CaptionTokens(caption, list.map { ($0.tokenizer, $0.length) }, shift: shift)
  }
}
