import Discriminative

/// How long the queries of each cross-attention layer are: a hook of one's own, and all there is to one.
final class QueryNorm: Hook {
  let name = "query-norm"
  private(set) var norms: [(layer: String, norm: Float)] = []

  func selects(_ node: Node, in context: HookContext) -> Demand? {
    guard let layer = AttentionLayer(node, in: context), layer.role == .cross else { return nil }
    return Demand(inputs: [0])
  }

  func didRun(_ node: Node, _ values: inout [Tensor], at position: SweepPosition) {
    let queries = values[0].array(of: Float.self)
    let norm = queries.reduce(0) { $0 + $1 * $1 }.squareRoot()
    norms.append((node.metadata["dsd.layer"] ?? node.name, norm))
  }
}

func run(_ arguments: [String]) throws {
  guard arguments.count == 3 else { throw UsageError("usage: QueryNormHook GRAPH IMAGE CAPTION") }
  let loaded = try LoadedGraph(path: arguments[0])
  let size = try PipelineDescription(from: loaded.graph).imageSize
  let image = try RGBImage(contentsOf: arguments[1]).tensor(width: size, height: size)
  let hook = QueryNorm()
  let job = try MatchingJob(
    loaded.graph, tokenizerFolder: loaded.assets, imageNames: ["image"], texts: [arguments[2]],
    options: MatchingOptions(), hooks: [hook], pool: ThreadPool(threads: 2), pixels: { _ in image })
  _ = try job.run()
  for (layer, norm) in hook.norms { print("\(layer): \(norm)") }
}

do { try run(Array(CommandLine.arguments.dropFirst())) } catch { print("error: \(error)") }
