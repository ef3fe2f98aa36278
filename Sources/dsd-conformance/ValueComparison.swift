import CommandLineSupport
import Glibc

/// Whether a value is the expected one, as the ONNX project compares: types and shapes exactly; floats within a
/// tolerance of 1e-5 + 1e-3 · |expected|, of 1e-2 · |expected| for 16-bit floats; everything else exactly, but that one
/// NaN is as good as another.
enum ValueComparison {
  private static let absolute = 1e-5

  /// Nil when the values agree; else what is wrong with `actual`.
  static func difference(_ actual: RuntimeValue, _ expected: RuntimeValue) -> String? {
    switch (actual, expected) {
    case (.tensor(let a), .tensor(let b)): return difference(a, b)
    case (.sequence(let a), .sequence(let b)):
      guard a.count == b.count else { return "is \(actual.label), not \(expected.label)" }
      for (position, pair) in zip(a, b).enumerated() {
        if let difference = difference(pair.0, pair.1) { return "at \(position) \(difference)" }
      }
      return nil
    case (.absent, .absent): return nil
    default: return "is \(actual.label), not \(expected.label)"
    }
  }

  private static func difference(_ actual: Tensor, _ expected: Tensor) -> String? {
    guard actual.dtype == expected.dtype, actual.shape == expected.shape else {
      let types = [actual, expected].map { TensorType($0.dtype, $0.shape) }
      return "is \(types[0]), not \(types[1])"
    }
    guard actual.dtype.isFloat else { return exactDifference(actual, expected) }
    let relative = actual.dtype.isHalf ? 1e-2 : 1e-3
    let pairs = zip(doubles(actual), doubles(expected))
    let wrong = pairs.filter { a, b in
      a != b && !(a.isNaN && b.isNaN) && !(abs(a - b) <= absolute + relative * abs(b))
    }
    guard let first = wrong.first else { return nil }
    return "has \(wrong.count) of \(actual.count) elements wrong, the first is \(first.0), not \(first.1)"
  }

  private static func exactDifference(_ actual: Tensor, _ expected: Tensor) -> String? {
    let size = actual.dtype.size
    let values = (doubles(actual), doubles(expected))
    let wrong = (0..<actual.count).filter { index in
      memcmp(actual.pointer + index * size, expected.pointer + index * size, size) != 0
        && !(values.0[index].isNaN && values.1[index].isNaN)
    }
    guard let first = wrong.first else { return nil }
    return "has \(wrong.count) of \(actual.count) elements wrong, the first is \(values.0[first]), not "
      + "\(values.1[first])"
  }

  private static func doubles(_ tensor: Tensor) -> [Double] {
    tensor.converted(to: .float64).array(of: Double.self)
  }
}
