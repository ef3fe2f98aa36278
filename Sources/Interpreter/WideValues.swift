import GraphIR

/// Which 16-bit values a run may hold as float32.
///
/// Operators that compute in float32 would otherwise round every result, only for the next one to widen it
/// again. Inputs, outputs, what hooks see, constants and the results of casts keep the type that the graph gives.
enum WideValues {
  /// Operators that only move elements: what goes in and comes out is of one type, whichever it is.
  private static let moving: Set<String> = [
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "Pad", "Reshape", "Resize", "Slice",
    "Split",
    "Squeeze", "Tile", "Transpose", "Unsqueeze", "Where",
  ]

  /// The types with such values as float32.
  /// - Parameter keep: values whose types stay.
  static func widening(
    _ types: [String: TensorType], _ graph: Graph, _ operators: OperatorSet, keep: Set<String>
  ) -> [String: TensorType] {
    func isHalf(_ name: String) -> Bool { types[name]?.dtype.isHalf ?? false }
    var wide = Set(graph.nodes.flatMap(\.outputs).filter { isHalf($0) && !keep.contains($0) })
    var before = -1
    while before != wide.count {
      before = wide.count
      for node in graph.nodes {
        let uses = GraphIndex.uses(of: node)
        let outputs = node.outputs.filter { !$0.isEmpty }
        let isPlanned = (uses + outputs).allSatisfy { types[$0]?.byteCount != nil } && node.subgraphs.isEmpty
        let type = operators.type(node.op, domain: node.domain)
        if isPlanned, type?.runsHalf == false { continue }
        if isPlanned, node.domain.isEmpty, node.op == "Cast" {
          wide.subtract(outputs)
        } else if isPlanned, node.domain.isEmpty, moving.contains(node.op) {
          let group = (uses + outputs).filter(isHalf)
          if !wide.isSuperset(of: group) { wide.subtract(group) }
        } else {
          wide.subtract(uses + outputs)
        }
      }
    }
    guard !wide.isEmpty else { return types }
    var result = types
    for name in wide { result[name]?.dtype = .float32 }
    return result
  }
}
