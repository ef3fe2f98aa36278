import GraphIR

extension OperatorSet {
  /// The family's operators, one line each.
  static let signal: [any Operator.Type] = [
    DFT.self,
    STFT.self,
    HannWindow.self,
    HammingWindow.self,
    BlackmanWindow.self,
    MelWeightMatrix.self,
  ]
}

enum Signal {
  /// The only number of a tensor.
  static func number(_ tensor: Tensor, _ name: String) throws -> Double {
    guard tensor.count == 1 else {
      throw DataError("'\(name)' is \(Shape.text(tensor.shape)), a scalar is needed")
    }
    return tensor.doubles()[0]
  }

  /// A whole number from 1 to 2³¹ − 1, when it is known.
  static func length(_ tensor: Tensor?, _ name: String) throws -> Int? {
    guard let tensor else { return nil }
    let value = try number(tensor, name)
    guard value >= 1, value <= Double(Int32.max) else { throw DataError("'\(name)' is \(value)") }
    return Int(value)
  }
}
