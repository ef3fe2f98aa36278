import GraphIR

/// Lets a pipeline be told timesteps that are no whole numbers: its input `timestep` becomes float32.
///
/// Applied to the part of a pipeline in which only the model itself reads the timestep: tables of the
/// schedule are looked up by whole numbers.
public struct RealTimestep: Sendable {
  static let input = "timestep"

  public init() {}

  /// - Throws: `DataError` when the graph has no such input, or rounds the timestep itself.
  public func apply(_ graph: Graph) throws -> Graph {
    guard let position = graph.inputs.firstIndex(where: { $0.name == RealTimestep.input }) else {
      throw DataError("the graph has no input '\(RealTimestep.input)'")
    }
    var result = graph
    let shape = graph.inputs[position].type?.shape
    result.inputs[position].type = TensorType(.float32, shape)
    var dependent: Set<String> = [RealTimestep.input]
    for node in try graph.sorted().nodes where !["Shape", "Size"].contains(node.op) {
      guard GraphIndex.uses(of: node).contains(where: dependent.contains) else { continue }
      if node.op == "Cast", case .int(let to)? = node.attributes["to"],
        DType(rawValue: Int32(truncatingIfNeeded: to))?.isFloat != true
      {
        throw DataError("\(node.label) makes the timestep a whole number")
      }
      dependent.formUnion(node.outputs.filter { !$0.isEmpty })
    }
    // Types declared for the whole number may not hold for the real one.
    for name in dependent { result.valueTypes[name] = nil }
    return result
  }
}
