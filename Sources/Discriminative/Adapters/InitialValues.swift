import Diffusion
import Operators
import Rewrites

/// Values of an adapter before anything has been learned: given ones, and random ones from a seed for the rest.
public final class InitialValues {
  private var generator: TorchGenerator
  private let given: [String: Tensor]

  /// - Parameter given: tensors by the adapter's keys, or the first rows of them.
  public init(seed: UInt64 = 0, given: [String: Tensor] = [:]) {
    generator = TorchGenerator(seed: seed)
    self.given = given
  }

  public func callAsFunction(_ tensor: LearnedTensor) throws -> Tensor {
    guard let start = given[tensor.key] else { return drawn(tensor) }
    if start.shape == tensor.shape { return start }
    guard start.dtype == .float32, start.rank == 2, tensor.shape.count >= 2,
      start.shape[1] == tensor.shape.last, start.shape[0] <= tensor.shape[tensor.shape.count - 2]
    else {
      throw DataError(
        "'\(tensor.key)' cannot start from \(start.dtype)\(Shape.text(start.shape)): it is "
          + "\(Shape.text(tensor.shape))")
    }
    // The first rows are given.
    let values = drawn(tensor)
    let matrix = tensor.shape.suffix(2).reduce(1, *)
    for first in stride(from: 0, to: values.count, by: max(matrix, 1)) {
      values.pointer(as: Float.self).advanced(by: first)
        .update(from: start.pointer(as: Float.self), count: start.count)
    }
    return values
  }

  private func drawn(_ tensor: LearnedTensor) -> Tensor {
    switch tensor.start {
    case .zeros: return .zeros(.float32, tensor.shape)
    case .normal(let deviation): return generator.randn(tensor.shape).scaled(by: deviation)
    case .uniform(let bound): return generator.uniform(tensor.shape, from: -bound, to: bound)
    }
  }
}

extension Tensor {
  /// float32 elements times a number.
  func scaled(by factor: Float) -> Tensor {
    let result = copy()
    let elements = UnsafeMutableBufferPointer(start: result.pointer(as: Float.self), count: count)
    for i in elements.indices { elements[i] *= factor }
    return result
  }
}

extension Adapter {
  /// The graph with the adapter in it, before anything has been learned.
  /// - Parameter start: values by key that are not drawn from the seed, or their first rows.
  /// - Throws: `DataError` when the graph has no place for the adapter.
  public func attached(
    to graph: Graph, seed: UInt64, start: [String: Tensor] = [:]
  ) throws -> AdaptedGraph {
    let initial = InitialValues(seed: seed, given: start)
    return try attached(to: graph, .standard) { try initial($0) }
  }
}
