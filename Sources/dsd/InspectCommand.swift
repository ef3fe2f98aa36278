import CommandLineSupport
import Foundation

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what a graph takes, gives and costs before it runs.",
    discussion: """
      Costs need concrete shapes: a pipeline graph knows its image size; for others give the extents of
      symbolic dimensions with --dim (where none is given: 1 for first dimensions, 64 for the rest).
      """)

  @Argument(help: "The graph file: .pb or .onnx.")
  var graph: String

  @OptionGroup var dims: DimArguments

  @Option(
    help: ArgumentHelp(
      "How often each component runs for N images, M captions and T timesteps.", valueName: "n,m,t"))
  var sweep: String?

  @Flag(help: "Print every node as text.")
  var nodes = false

  @OptionGroup(title: "Graph") var arguments: GraphArguments

  func run() throws {
    let extents = dims.extents()
    let counts = try parsedSweep()
    let loaded = try arguments.load(graph, needsWeights: false)
    var model = loaded.graph
    if arguments.weights == nil {
      // Costs are told without weights as well, but with them more is folded.
      if let bound = try? model.bindingExternalData(in: FolderBoundary.folder(of: graph)) { model = bound }
    }
    print(summary(model))
    if nodes { print("\n" + model.text) }
    let description =
      model.metadata[PipelineDescription.metadataKey] == nil
      ? nil : try PipelineDescription(from: model)
    let missing = model.initializers.values.contains { $0.tensor == nil }
    if missing {
      model = try model.withPlaceholderWeights()
      print("\nThe weights are not here; what follows is for float32 weights of the graph's shapes.")
    }
    let symbols = Set(model.inputs.flatMap { $0.type?.shape ?? [] }.map(\.description))
    for name in extents.keys.sorted() where description != nil || !symbols.contains(name) {
      throw DataError("--dim: \(graph) has no symbolic dimension '\(name)' to choose")
    }
    if let description {
      let context = HookContext(graph: model, types: [:], operators: .standard)
      print("\n" + layersText(model.nodes.compactMap { AttentionLayer($0, in: context) }))
      try printPipelineCost(model, description, counts)
    } else {
      if counts != nil { throw DataError("--sweep: \(graph) is not a pipeline graph (dsd import makes one)") }
      try printCost(model)
    }
  }

  private func parsedSweep() throws -> [Int]? {
    guard let sweep else { return nil }
    let numbers = sweep.split(separator: ",").compactMap { Int($0) }
    guard numbers.count == 3, numbers.allSatisfy({ $0 > 0 && $0 < 1 << 30 }) else {
      throw ValidationError("--sweep: '\(sweep)' is not N,M,T")
    }
    return numbers
  }

  // MARK: What the file says

  private func summary(_ graph: Graph) -> String {
    var lines = ["\(self.graph): \(graph.name), by \(graph.producer.isEmpty ? "unknown" : graph.producer)"]
    let opsets = graph.opsets.sorted { $0.key < $1.key }
      .map { "\($0.key.isEmpty ? "ai.onnx" : $0.key) \($0.value)" }
    lines.append("opsets: \(opsets.joined(separator: ", ")); IR version \(graph.irVersion)")
    lines.append(
      "\(graph.nodes.count) nodes, \(Terminal.count(graph.parameterCount)) parameters (\(Terminal.bytes(graph.parameterBytes)))"
    )
    lines.append("inputs:")
    for info in graph.requiredInputs { lines.append("  \(info.name): \(info.type?.description ?? "?")") }
    lines.append("outputs:")
    for info in graph.outputs { lines.append("  \(info.name): \(info.type?.description ?? "?")") }
    let operators = Dictionary(grouping: graph.nodes, by: \.qualifiedOp).mapValues(\.count)
      .sorted { ($1.value, $0.key) < ($0.value, $1.key) }
    lines.append("operators: " + operators.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
    return lines.joined(separator: "\n")
  }

  /// Attention sites, as hooks find them.
  private func layersText(_ layers: [AttentionLayer]) -> String {
    let cross = layers.filter { $0.role == .cross }
    let official = (try? LayerSelection.official.select(from: layers)) ?? []
    var lines = [
      "hookable sites: every value (capture, replace); \(layers.count) attention layers, \(cross.count) of them "
        + "cross-attention\(cross.isEmpty ? "" : ":")"
    ]
    for layer in cross { lines.append("  \(layer.name)\(official.contains(layer) ? "  (official)" : "")") }
    return lines.joined(separator: "\n")
  }

  /// Notes the attention layers of the graph as they are after recognition.
  private final class Sites: Hook {
    let name = "sites"
    private(set) var layers: [AttentionLayer] = []
    func selects(_ node: Node, in context: HookContext) throws -> Demand? {
      if let layer = AttentionLayer(node, in: context) { layers.append(layer) }
      return nil
    }
  }

  // MARK: What a run costs

  private func printCost(_ graph: Graph) throws {
    var types: [String: TensorType] = [:]
    for info in graph.requiredInputs {
      guard let type = dims.settled(info.type) else {
        throw DataError("\(self.graph): the type of input '\(info.name)' is not known")
      }
      types[info.name] = type
    }
    let sites = Sites()
    let preparation: Preparation
    do {
      preparation = try Preparation(
        graph, .standard, inputs: types, hooks: [sites], rewrites: [RuleSet.recognition, RuleSet.fusion],
        pool: arguments.pool())
    } catch let error as DataError {
      throw DataError("\(self.graph): \(error.message) (give other extents with --dim)")
    }
    print("\n" + layersText(sites.layers))
    let plan = try Plan(preparation)
    print(
      "\nplan for " + types.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    )
    printPlan(plan)
  }

  private func printPlan(_ plan: Plan) {
    print(
      """
        peak memory   \(Terminal.bytes(plan.peakBytes)): arena \(Terminal.bytes(plan.arenaBytes)), \
      scratch \(Terminal.bytes(plan.workspaceBytes)), outputs \(Terminal.bytes(plan.outputBytes)), weights laid \
      out ahead \(Terminal.bytes(plan.keptBytes))
        constants     \(Terminal.bytes(plan.constantBytes))
        multiply-adds \(Terminal.count(plan.multiplyAdds))
      """)
  }

  private func printPipelineCost(
    _ graph: Graph, _ description: PipelineDescription, _ counts: [Int]?
  ) throws {
    let counts = counts ?? [1, 1, 1]
    let size = description.imageSize
    let job = try MatchingPlan(graph, description, MatchingOptions(), pool: arguments.pool())
    let extents: [Axis: Int] = [.image: counts[0], .text: counts[1] + 1, .timestep: counts[2]]
    print(
      "\nmatching \(counts[0]) image(s) × \(counts[1]) caption(s) × \(counts[2]) timestep(s) at \(size)×\(size), "
        + "the empty caption included:")
    var table = TextTable(
      ["component", "depends on", "runs", "multiply-adds a run", "in all"], right: [2, 3, 4])
    // The numbers of a grid go beyond what an integer holds.
    var total = 0.0
    for stage in job.plan.stages {
      let runs = job.plan.runs(stage, counts: extents)
      let axes = stage.axes.isEmpty ? "nothing" : stage.axes.map(\.rawValue).joined(separator: ", ")
      for (component, work) in stage.components.sorted(by: { $0.key < $1.key }) {
        table.rows.append([
          component, axes, String(runs), Terminal.count(work),
          Terminal.count(Double(work) * Double(runs)),
        ])
        total += Double(work) * Double(runs)
      }
    }
    print(table.text)
    print(
      "in all \(Terminal.count(total)) multiply-adds; peak memory beside the weights "
        + Terminal.bytes(job.plan.peakBytes(counts: extents))
        + (job.plan.batching.map { ", \($0.limit) captions at a time" } ?? ""))
  }
}

extension Graph {
  /// The graph with unbound weights standing for zeros that take no memory until read.
  fileprivate func withPlaceholderWeights() throws -> Graph {
    var result = self
    for (name, initializer) in initializers where initializer.tensor == nil {
      result.initializers[name]?.tensor = try Tensor.placeholder(initializer.dtype, initializer.shape)
    }
    return result
  }
}
