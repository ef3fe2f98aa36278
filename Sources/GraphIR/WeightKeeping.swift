/// An operator that runs faster when a weight was laid out for its kernel before.
///
/// Plans ask it once types and constants are known. What it answers takes memory for as long as the plan lives, so a
/// plan may decline.
public protocol WeightKeepingOperator: Operator {
  /// What can be made ahead of runs with inputs of these types.
  /// - Parameter constants: the inputs that never change; nil for others.
  /// - Returns: nil where nothing is gained.
  func keepable(_ inputs: [TensorType?], constants: [Tensor?]) -> KeepableWeight?
}

/// A weight that can be kept in the layout of a kernel.
public struct KeepableWeight {
  /// The weight as the graph has it.
  public let weight: Tensor
  /// What tells this layout from others of the same weight.
  public let layout: String
  public let byteCount: Int
  /// Writes the layout's bytes.
  public let fill: (UnsafeMutableRawPointer, ThreadPool) -> Void
  /// The operator that reads them in place of the weight.
  public let reading: (Storage) -> any Operator

  public init(
    of weight: Tensor, layout: String, byteCount: Int,
    fill: @escaping (UnsafeMutableRawPointer, ThreadPool) -> Void,
    reading: @escaping (Storage) -> any Operator
  ) {
    self.weight = weight
    self.layout = layout
    self.byteCount = byteCount
    self.fill = fill
    self.reading = reading
  }
}
