import GraphIR

extension OperatorSet {
  /// The family's operators, one line each.
  static let flow: [any Operator.Type] = [
    If.self,
    Loop.self,
    Scan.self,
  ]
}

enum Flow {
  /// An input that must be a tensor.
  static func tensor(_ inputs: [RuntimeValue?], _ position: Int, _ name: String) throws -> Tensor {
    guard let value = position < inputs.count ? inputs[position] : nil else {
      throw DataError("input '\(name)' is missing")
    }
    return try tensor(value, "input '\(name)'")
  }

  /// - Parameter what: how a message calls the value.
  static func tensor(_ value: RuntimeValue, _ what: String) throws -> Tensor {
    guard let tensor = value.tensor else { throw DataError("\(what) is \(value.label), not a tensor") }
    return tensor
  }

  /// The truth value of a tensor of one element.
  static func condition(_ tensor: Tensor) throws -> Bool {
    guard tensor.dtype == .bool, tensor.count == 1 else {
      throw DataError("a condition is one bool, not \(TensorType(tensor.dtype, tensor.shape))")
    }
    return tensor.pointer(as: UInt8.self)[0] != 0
  }

  /// What is known of a value that has one type or the other.
  static func either(_ a: TensorType?, _ b: TensorType?) throws -> TensorType? {
    guard let a, let b else { return nil }
    guard a.dtype == b.dtype else { throw DataError("an output is \(a) in one branch and \(b) in the other") }
    guard let x = a.shape, let y = b.shape, x.count == y.count else { return TensorType(a.dtype, nil) }
    return TensorType(a.dtype, zip(x, y).map { $0 == $1 && $0.value != nil ? $0 : .unknown })
  }
}
