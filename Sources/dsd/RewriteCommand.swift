import CommandLineSupport
import Foundation

struct RewriteCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rewrite",
    abstract: "Change a graph: recognise its operators, add the score, differentiate.",
    discussion: """
      Writes another graph file that runs like any other, here and in ONNX Runtime. The steps are taken in the order \
      of the options below. A gradient needs concrete shapes:
        dsd rewrite graph.pb -o grad.pb --dim batch=2 --dim height=64 --dim width=64 \
          --score 2 --gradient score/loss --wrt encoder_hidden_states
      Weights stay in their files, so the new graph belongs into the folder of the old one, or above it. Operators of \
      this project's own domain get their bodies as functions of the file, for other programs. Weights of another folder \
      (--weights) are not for this command: import that folder.
      """)

  @Argument(help: "The graph file.")
  var graph: String

  @Option(name: .shortAndLong, help: "The graph file to write.")
  var output: String

  @OptionGroup(title: "Shapes") var dims: DimArguments

  @Flag(help: "Bring operators of exporters back to canonical ones, such as attention.")
  var recognize = false

  @Flag(help: "Join operators into fewer ones of this project's own domain, as a run does.")
  var fuse = false

  @Option(
    help: ArgumentHelp(
      "Add the score of images and captions and the loss of choosing among so many candidates, the first one right: "
        + "the values score/scores, score/losses and score/loss. The batch holds one example after the other. With 1 "
        + "there is the score alone.",
      valueName: "candidates"))
  var score: Int?

  @Option(
    help: ArgumentHelp("Cross-attention layers to read: official, all or patterns.", valueName: "layers"))
  var layers = "official"

  @Option(help: "The terms of the score.")
  var terms = MatchingOptions.Terms.both

  @Option(help: ArgumentHelp("Differentiate this value.", valueName: "value"))
  var gradient: String?

  @Option(
    help: ArgumentHelp(
      "By this one; repeat it for several. The gradient is called gradient/VALUE.", valueName: "value"))
  var wrt: [String] = []

  @Option(
    help: ArgumentHelp(
      "Compute these scopes a second time for the gradient, which then needs less memory: a pattern such as "
        + "'unet/*_blocks.*/*', or auto; repeat it for several.", valueName: "scope"))
  var checkpointBlocks: [String] = []

  @Option(
    name: .customLong("keep"),
    help: ArgumentHelp(
      "Keep this output or inner value as an output; repeat it for several.", valueName: "value"))
  var kept: [String] = []

  @OptionGroup(title: "Loss") var loss: LossArguments
  @OptionGroup(title: "Graph") var arguments: GraphArguments

  func validate() throws {
    if gradient == nil, !wrt.isEmpty { throw ValidationError("--wrt needs --gradient") }
    if gradient != nil, wrt.isEmpty { throw ValidationError("--gradient needs --wrt") }
    if gradient == nil, !checkpointBlocks.isEmpty {
      throw ValidationError("--checkpoint-blocks needs --gradient")
    }
    if arguments.weights != nil {
      throw ValidationError(
        "--weights: a rewritten graph has its own weights; import the other folder instead")
    }
    if let score, score < 1 { throw ValidationError("--score: \(score) is not at least 1") }
  }

  func run() throws {
    let loaded = try arguments.load(graph, needsWeights: false)
    var rewrites: [any GraphRewrite] = []
    if recognize || score != nil { rewrites.append(RuleSet.recognition) }
    if fuse { rewrites.append(RuleSet.fusion) }
    let inputs = try inputTypes(loaded.graph)
    if let score { rewrites.append(try scoreNodes(score, inputs)) }
    if let gradient { rewrites.append(Gradient(of: gradient, wrt: wrt)) }
    if let blocks = Recomputation(patterns: checkpointBlocks) { rewrites.append(blocks) }
    let made = rewrites.flatMap(\.makes)
    let outputs =
      kept.isEmpty && made.isEmpty
      ? loaded.graph.outputs.map(\.name) : made + kept.filter { !made.contains($0) }
    let result = try loaded.graph.applying(
      rewrites, .standard, inputs: inputs,
      outputs: outputs + (gradient.map { made.contains($0) ? [] : [$0] } ?? []),
      pool: arguments.pool())
    try loaded.write(result, to: output)
    print("\(output): \(result.nodes.count) nodes, \(result.outputs.count) outputs")
  }

  private func scoreNodes(_ candidates: Int, _ inputs: [String: TensorType]) throws -> ScoreNodes {
    var options = MatchingOptions()
    options.layers = LayerSelection(layers)
    options.terms = terms
    guard let rows = inputs["noise"]?.shape?.first?.value, rows % candidates == 0 else {
      throw DataError("--score: the batch is not a multiple of \(candidates) candidates; give --dim batch=N")
    }
    return try ScoreNodes(
      ScoreLayout(examples: rows / candidates, candidates: candidates), loss.loss, options)
  }

  /// The inputs' declared types with the extents of `--dim`.
  private func inputTypes(_ graph: Graph) throws -> [String: TensorType] {
    let extents = dims.extents()
    var used: Set<String> = []
    var types: [String: TensorType] = [:]
    for input in graph.requiredInputs {
      guard let type = input.type, let shape = type.shape else { continue }
      types[input.name] = TensorType(
        type.dtype,
        shape.map { dim in
          guard case .symbol(let name) = dim, let extent = extents[name] else { return dim }
          used.insert(name)
          return .known(extent)
        })
    }
    if let unknown = extents.keys.sorted().first(where: { !used.contains($0) }) {
      throw DataError("--dim: \(self.graph) has no dimension '\(unknown)'")
    }
    return types
  }
}
