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

guard CommandLine.arguments.count == 4 else {
  print("usage: QueryNormHook GRAPH IMAGE CAPTION")
  throw UsageError("three arguments are expected")
}
let path = CommandLine.arguments[1]
let graph = try GraphReader.read(path: path)
let size = try PipelineDescription(from: graph).imageSize
let image = try RGBImage(contentsOf: CommandLine.arguments[2]).tensor(width: size, height: size)
let hook = QueryNorm()
var options = MatchingOptions()
options.timesteps = [500]
let job = try MatchingJob(
  graph, tokenizerFolder: FolderBoundary.folder(of: path), imageNames: ["image"],
  texts: [CommandLine.arguments[3]], options: options, hooks: [hook], pool: ThreadPool(threads: 2),
  pixels: { _ in image })
_ = try job.run()
for (layer, norm) in hook.norms { print("\(layer): \(norm)") }
