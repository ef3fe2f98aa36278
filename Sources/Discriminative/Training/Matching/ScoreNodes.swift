import GraphIR
import Interpreter
import Rewrites

/// Writes the score of image and caption pairs into a pipeline's graph, and the loss of choosing among them: what
/// hooks read while a graph runs, as nodes that can be differentiated.
///
/// For every row r of the batch, `score/attention` is the mean over the selected layers of s_l, `score/error` is
/// ‖ε − ε̂‖₂, and the score of a pair is attention − error, plus the error of its row with the empty caption where the
/// layout has such rows. See `Specs/score.md`.
public struct ScoreNodes: GraphRewrite {
  public let name = "score"
  /// Scores `[examples, candidates]`.
  public static let scores = "score/scores"
  /// The loss of every example.
  public static let losses = "score/losses"
  /// Their mean.
  public static let loss = "score/loss"
  /// s_l of every row and layer, `[rows, layers]`.
  public static let layers = "score/layers"

  let layout: ScoreLayout
  let loss: TrainingLoss
  let terms: MatchingOptions.Terms
  let selection: LayerSelection
  let estimate: String

  /// - Parameter options: terms, layers and whether the bias is measured on the raw output; other poolings than
  ///   logsumexp over all positions cannot be learned through.
  /// - Throws: `UsageError` that names the option.
  public init(_ layout: ScoreLayout, _ loss: TrainingLoss, _ options: MatchingOptions) throws {
    self.layout = layout
    self.loss = loss
    terms = options.terms ?? .both
    selection = options.layers
    estimate = options.estimateName
    if terms != .bias, options.pooling != .logsumexp || options.positions != .all {
      throw UsageError("--pooling: only logsumexp over all positions can be learned through")
    }
    if options.officialCompat { throw UsageError("--official-compat: cannot be learned through") }
    if options.normalize != .none {
      throw UsageError("--normalize \(options.normalize.rawValue): cannot be learned through")
    }
  }

  /// The attention term reads nodes on the way to the estimate.
  public var needs: [String] { terms == .attention ? [estimate] : [estimate, "noise"] }
  /// One candidate alone has no loss.
  public var makes: [String] {
    layout.candidates > 1 ? [ScoreNodes.scores, ScoreNodes.losses, ScoreNodes.loss] : [ScoreNodes.scores]
  }

  public func apply(_ graph: Graph, _ context: RewriteContext) throws -> Graph {
    let g = GraphBuilder(graph)
    var parts: [Value] = []
    if terms != .bias { parts.append(try attention(g, context)) }
    if terms != .attention { parts.append(bias(g)) }
    let row = parts.count > 1 ? g.Add(parts[0], parts[1], name: "score/rows") : parts[0]
    let grid = g.Reshape(row, g.ints([layout.examples, layout.candidates, layout.timesteps]))
    let mean = g.ReduceMean(grid, g.ints([2], "axes"), attributes: ["keepdims": .int(0)])
    g.output(
      mean, as: ScoreNodes.scores, TensorType(.float32, [.known(layout.examples), .known(layout.candidates)]))
    guard layout.candidates > 1 else { return try g.graph.sorted() }
    let mask = g.constant(Tensor.zeros(.float32, [1, layout.candidates]), "mask")
    let each = loss.write(Value(ScoreNodes.scores), mask: mask, in: g)
    g.output(each, as: ScoreNodes.losses, TensorType(.float32, [.known(layout.examples)]))
    g.output(
      g.ReduceMean(Value(ScoreNodes.losses), attributes: ["keepdims": .int(0)]), as: ScoreNodes.loss,
      TensorType(.float32, []))
    return try g.graph.sorted()
  }

  /// The attention term of every pair's row.
  private func attention(_ g: GraphBuilder, _ context: RewriteContext) throws -> Value {
    let hooks = HookContext(graph: g.graph, types: context.types, operators: context.operators)
    let layers = try selection.select(from: AttentionLayer.all(in: hooks))
    let means = try layers.map { layer -> Value in
      let position = g.graph.nodes.firstIndex { $0.name == layer.node }!
      let node = g.graph.nodes[position]
      guard let exposed = context.operators.exposing(.logSumExp, of: node, as: "\(node.name)/logsumexp")
      else {
        throw DataError("\(node.label): cannot give its logsumexp")
      }
      g.edit { $0.nodes[position] = exposed.node }
      // Leading extents may hold heads; the mean is over heads and queries either way.
      let rows = g.Reshape(Value(exposed.value), g.ints([layout.rows, -1]), name: "score/queries")
      return g.ReduceMean(rows, g.ints([1], "axes"), attributes: ["keepdims": .int(1)], name: "score/layer")
    }
    let all = g.emit("Concat", means, ["axis": .int(1)], name: ScoreNodes.layers)[0]
    let rows = g.ReduceMean(
      all, g.ints([1], "axes"), attributes: ["keepdims": .int(0)], name: "score/attention")
    return layout.hasEmptyRows ? slice(g, rows, 0..<layout.pairs) : rows
  }

  /// The bias of every pair's row, less what all candidates of its example have in common.
  private func bias(_ g: GraphBuilder) -> Value {
    let distance = g.Sub(Value("noise"), Value(estimate), name: "score/difference")
    let error = g.ReduceL2(
      distance, g.ints([1, 2, 3], "axes"), attributes: ["keepdims": .int(0)], name: "score/error")
    guard layout.hasEmptyRows else { return g.Neg(error) }
    return g.Sub(slice(g, error, layout.pairs..<layout.rows), slice(g, error, 0..<layout.pairs))
  }

  private func slice(_ g: GraphBuilder, _ value: Value, _ range: Range<Int>) -> Value {
    g.Slice(value, g.ints([range.lowerBound]), g.ints([range.upperBound]), g.ints([0]))
  }
}
