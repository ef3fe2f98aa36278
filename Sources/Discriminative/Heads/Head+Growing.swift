import Foundation
import OrderedCollections

extension Head {
  /// The learned tensors, as they are in the graph.
  public var parameters: OrderedDictionary<String, Tensor> {
    var result: OrderedDictionary<String, Tensor> = [:]
    for learned in learned { result[learned.name] = graph.initializers[learned.name]!.tensor! }
    return result
  }

  /// The head for a run of some extents: learned axes of length 1 that bear a name grow to it, by repetition. What
  /// the head computes stays the same.
  /// - Throws: `DataError` when an axis has another length already.
  public func grown(to extents: [String: Int]) throws -> Head {
    var graph = graph
    for learned in learned {
      let tensor = graph.initializers[learned.name]!.tensor!
      var shape = tensor.shape
      for (axis, name) in learned.axes.enumerated() {
        guard let name, let extent = extents[name] else { continue }
        guard shape[axis] == 1 || shape[axis] == extent else {
          throw DataError(
            "head '\(self.name)': '\(learned.name)' is for \(shape[axis]) \(name), the run has \(extent)")
        }
        shape[axis] = extent
      }
      if shape != tensor.shape {
        graph.initializers[learned.name] = Initializer(Head.repeated(tensor, to: shape))
        // A declared type is that of the file.
        graph.valueTypes[learned.name] = nil
        for place in graph.inputs.indices where graph.inputs[place].name == learned.name {
          graph.inputs[place].type = TensorType(.float32, shape)
        }
      }
    }
    return try Head(graph)
  }

  /// Repeats a tensor along its axes of length 1.
  private static func repeated(_ tensor: Tensor, to shape: [Int]) -> Tensor {
    let result = Tensor(.float32, shape)
    let (source, target) = (tensor.pointer(as: Float.self), result.pointer(as: Float.self))
    for place in 0..<result.count {
      var (rest, stride, from) = (place, 1, 0)
      for axis in shape.indices.reversed() {
        let index = rest % shape[axis]
        rest /= shape[axis]
        if tensor.shape[axis] != 1 { from += index * stride }
        stride *= tensor.shape[axis]
      }
      target[place] = source[from]
    }
    return result
  }

  /// The head with other values of its learned tensors, and a note of what it was trained on.
  public func trained(
    _ parameters: OrderedDictionary<String, Tensor>, layers: [String], timesteps: [Int],
    terms: MatchingOptions.Terms
  ) throws -> Head {
    var graph = graph
    for (name, tensor) in parameters { graph.initializers[name] = Initializer(tensor.copy()) }
    let names = JSON.array(layers.map { .string($0) })
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    if !reads.isDisjoint(with: [.attention, .heads]) {
      graph.metadata[Key.layers] = String(decoding: try encoder.encode(names), as: UTF8.self)
    }
    graph.metadata[Key.timesteps] = timesteps.map(String.init).joined(separator: ",")
    graph.metadata[Key.terms] = terms.rawValue
    graph.metadata[Key.name] = name
    return try Head(graph)
  }
}
