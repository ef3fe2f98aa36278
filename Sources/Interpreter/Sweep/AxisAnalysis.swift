import GraphIR

/// Which axes of a sweep each value depends on.
///
/// It follows from the graph alone: a value depends on the axes of every input that it depends on, and a
/// constant on none.
public struct AxisAnalysis {
  public let axes: [String: Set<Axis>]

  /// - Parameter inputs: the axis of each graph input that changes during the sweep.
  public init(_ graph: Graph, inputs: [String: Axis]) {
    var axes: [String: Set<Axis>] = [:]
    for (name, axis) in inputs { axes[name] = [axis] }
    for node in graph.nodes {
      var union: Set<Axis> = []
      for name in GraphIndex.uses(of: node) { if let set = axes[name] { union.formUnion(set) } }
      // A fed value stays what the caller says it is.
      for output in node.outputs where !output.isEmpty && inputs[output] == nil { axes[output] = union }
    }
    self.axes = axes
  }

  public subscript(value: String) -> Set<Axis> { axes[value] ?? [] }
}
