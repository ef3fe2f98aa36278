import Diffusion
import GraphIR
import Rewrites

/// The tokenizers of a pipeline's text inputs.
public struct PipelineTokenizers: Sendable {
  let list: [(input: String, tokenizer: CLIPTokenizer, length: Int)]

  /// The positions by which the graph moves captions, see ``PromptTokens``.
  private let shift: Int
  private let classes: PromptClasses?

  /// - Parameters:
  ///   - graph: the pipeline's.
  ///   - folder: where the tokenizers' folders are.
  /// - Throws: `DataError` that names the file when one is missing or malformed.
  public init(_ description: PipelineDescription, of graph: Graph, folder: String) throws {
    shift = try PromptTokens.shift(of: graph)
    let names = try PromptTokens.classes(of: graph)
    classes = names.isEmpty ? nil : PromptClasses(names: names)
    list = try description.tokenizers.map {
      ($0.input, try CLIPTokenizer(folder: "\(folder)/\($0.folder)"), $0.maxLength)
    }
  }

  /// The types of the text inputs for one caption.
  public var types: [String: TensorType] {
    var types = Dictionary(uniqueKeysWithValues: list.map { ($0.input, TensorType(.int64, [1, $0.length])) })
    if classes != nil { types[PromptTokens.classInput] = TensorType(.int64, [1, 1]) }
    return types
  }

  /// The ids of a caption for each text input, `[length]`, and where prompt tokens have classes the caption's.
  /// - Throws: `DataError` when the caption is too long, or of no class.
  public func ids(_ caption: String) throws -> [String: [Int64]] {
    var result: [String: [Int64]] = [:]
    for (input, tokenizer, length) in list { result[input] = try tokenizer.ids(for: caption, length: length) }
    if let classes { result[PromptTokens.classInput] = [Int64(try classes.index(of: caption))] }
    return result
  }

  /// The caption as every tokenizer cuts it.
  public func tokens(_ caption: String) -> CaptionTokens {
    CaptionTokens(caption, list.map { ($0.tokenizer, $0.length) }, shift: shift)
  }
}
