import GraphIR
import Interpreter

/// Reads the attention heads of cross-attention layers one by one: for each the mean over queries of the log-sum-exp
/// of its scores. What `AttentionScore` averages.
public final class AttentionHeads: TwinHook {
  public let name = "attn-heads"
  public let selection: LayerSelection

  /// The layers that are read, in the graph's order, and how many heads each has.
  public private(set) var layers: [AttentionLayer] = []
  public private(set) var counts: [Int] = []
  private var chosen: [String: Int]?
  /// `[layer][head]`
  private var records: [SweepPosition: [[Double]]] = [:]

  public init(selection: LayerSelection = .official) { self.selection = selection }

  func twin() -> AttentionHeads {
    let twin = AttentionHeads(selection: selection)
    twin.layers = layers
    twin.counts = counts
    twin.chosen = chosen
    return twin
  }

  func absorb(_ twin: AttentionHeads) { records.merge(twin.records) { own, _ in own } }

  public func willMatch(_ grid: MatchingGrid) { records = [:] }

  public func selects(_ node: Node, in context: HookContext) throws -> Demand? {
    if chosen == nil {
      layers = try selection.select(from: AttentionLayer.all(in: context))
      chosen = Dictionary(layers.enumerated().map { ($1.node, $0) }, uniquingKeysWith: { first, _ in first })
      counts = [Int](repeating: 0, count: layers.count)
    }
    guard let layer = chosen![node.name] else { return nil }
    counts[layer] = try AttentionHeads.count(node, context)
    return Demand(forms: [.logSumExp])
  }

  /// How many heads a node has: an axis of its queries, or an attribute where heads lie in their last axis. A leading
  /// axis counts, since a matching job's batch is 1.
  private static func count(_ node: Node, _ context: HookContext) throws -> Int {
    guard let shape = context.types[node.inputs[0]]?.concreteShape, shape.count >= 3 else {
      throw DataError("\(node.label): the shape of its queries is not known")
    }
    if shape.count > 3 { return shape.dropLast(2).reduce(1, *) }
    guard case .int(let heads)? = node.attributes["q_num_heads"] else { return shape[0] }
    return shape[0] * Int(heads)
  }

  public func didRun(_ node: Node, _ values: inout [Tensor], at position: SweepPosition) throws {
    guard let layer = chosen?[node.name] else { return }
    let wide = values[0].converted(to: .float32)
    let heads = counts[layer]
    guard heads > 0, wide.count % heads == 0 else {
      throw DataError("\(node.label): \(wide.count) log-sum-exps are not those of \(heads) heads")
    }
    let queries = wide.count / heads
    let elements = wide.pointer(as: Float.self)
    let means = (0..<heads).map { head in
      (0..<queries).reduce(0.0) { $0 + Double(elements[head * queries + $1]) } / Double(max(queries, 1))
    }
    records[position, default: Array(repeating: [], count: layers.count)][layer] = means
  }

  /// Each head's mean at a position, layer by layer.
  /// - Throws: `DataError` when a layer did not run there.
  public func means(at position: SweepPosition) throws -> [[Double]] {
    guard let found = records[position], found.allSatisfy({ !$0.isEmpty }) else {
      throw DataError("attn-heads: not every selected layer depends on image, text and timestep")
    }
    return found
  }
}
