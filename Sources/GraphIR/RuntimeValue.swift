/// What a name stands for in a run: nearly always a tensor.
public enum RuntimeValue: Sendable {
  case tensor(Tensor)
  /// Tensors of one element type, in order.
  case sequence([Tensor])
  /// An optional that holds nothing; one that holds something is that value.
  case absent

  public var tensor: Tensor? { if case .tensor(let tensor) = self { tensor } else { nil } }

  /// The same value in memory of its own.
  public func copy() -> RuntimeValue {
    switch self {
    case .tensor(let tensor): .tensor(tensor.copy())
    case .sequence(let tensors): .sequence(tensors.map { $0.copy() })
    case .absent: .absent
    }
  }

  /// What messages call the value, such as `float32[2, 3]` and `a sequence of 2`.
  public var label: String {
    switch self {
    case .tensor(let tensor): TensorType(tensor.dtype, tensor.shape).description
    case .sequence(let tensors): "a sequence of \(tensors.count)"
    case .absent: "nothing"
    }
  }
}

/// The declared type of a value that is no plain tensor.
public struct ContainerType: Hashable, Sendable, CustomStringConvertible {
  public enum Kind: Sendable { case sequence, optional, optionalSequence }
  public var kind: Kind
  /// The type of the tensors inside; nil when it is not declared.
  public var element: TensorType?

  public init(_ kind: Kind, of element: TensorType?) {
    self.kind = kind
    self.element = element
  }

  public var description: String {
    let inside = element?.description ?? "tensors"
    return switch kind {
    case .sequence: "sequence of \(inside)"
    case .optional: "optional \(inside)"
    case .optionalSequence: "optional sequence of \(inside)"
    }
  }
}
