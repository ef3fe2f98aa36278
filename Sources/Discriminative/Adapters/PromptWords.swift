import Diffusion
import Operators
import Rewrites

extension PipelineTokenizers {
  /// The embeddings of words, for prompt tokens to start from: by the adapter's keys, `[words' tokens, width]`.
  /// - Throws: `DataError` when the words have no tokens, or the graph's weights are not bound.
  public func promptStart(_ words: String, in graph: Graph) throws -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for embedding in try TokenEmbedding.all(in: graph, .standard) {
      guard let tokenizer = list.first(where: { $0.input == embedding.input })?.tokenizer else {
        throw DataError("the pipeline has no tokenizer for the input '\(embedding.input)'")
      }
      let ids = tokenizer.encode(words)
      guard !ids.isEmpty else { throw DataError("“\(words)” has no tokens to start from") }
      let table = try embedding.tableTensor(in: graph)
      guard let last = ids.max(), last < table.shape[0] else {
        throw DataError("“\(words)” has tokens that '\(embedding.table)' has no row for")
      }
      let rows = ids.map { table.rows($0..<$0 + 1).converted(to: .float32).array(of: Float.self) }
      result[PromptTokens.key(embedding)] = Tensor(rows.flatMap { $0 }, shape: [ids.count, embedding.width])
    }
    return result
  }
}
