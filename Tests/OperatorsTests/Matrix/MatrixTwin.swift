import GraphIR
import Testing

/// Reproducible numbers for the tests of this folder.
struct MatrixNumbers {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func below(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int(state >> 33) % bound
  }

  mutating func pick<T>(_ values: [T]) -> T { values[below(values.count)] }

  /// Numbers between −1 and 1, with few enough bits to be exact in float32.
  mutating func tensor(_ dtype: DType, _ shape: [Int]) -> Tensor {
    let values = (0..<Shape.count(shape)).map { _ in Double(below(1 << 16)) / 32768 - 1 }
    return Tensor(values, shape: shape).converted(to: dtype)
  }

  mutating func tensor(_ shape: [Int]) -> Tensor { tensor(.float32, shape) }

  mutating func integers(_ dtype: DType, _ shape: [Int]) -> Tensor {
    Tensor((0..<Shape.count(shape)).map { _ in Int64(below(19) - 9) }, shape: shape).converted(to: dtype)
  }

  mutating func flags(_ shape: [Int]) -> Tensor {
    Tensor((0..<Shape.count(shape)).map { _ in below(4) > 0 }, shape: shape)
  }
}

extension Tensor {
  var doubles: [Double] { converted(to: .float64).array(of: Double.self) }

  /// The largest difference from `expected`, relative to its peak; infinite when infinities or NaNs differ.
  func error(from expected: [Double]) -> Double {
    let own = doubles
    guard own.count == expected.count else { return .infinity }
    let peak = expected.reduce(1e-3) { $1.isFinite ? max($0, abs($1)) : $0 }
    return zip(own, expected).reduce(0) { worst, pair in
      if pair.0 == pair.1 || (pair.0.isNaN && pair.1.isNaN) { return worst }
      let difference = abs(pair.0 - pair.1) / peak
      return difference.isFinite ? max(worst, difference) : .infinity
    }
  }
}

extension DType {
  /// What rounding may cost in these tests, relative to the peak.
  var tolerance: Double { self == .float64 ? 1e-13 : self == .float32 ? 3e-6 : 2e-3 }
}

/// Runs on one thread and on two, expects the same bits, and gives them.
func runOnBoth(
  _ op: String, domain: String = "", opset: Int = 23, _ inputs: [Tensor?],
  _ attributes: [String: Attribute] = [:], wanted: [Bool] = [true]
) throws -> [Tensor?] {
  let one = try MatrixRun.outputs(
    op, domain: domain, opset: opset, inputs, attributes, wanted: wanted, threads: 1)
  let two = try MatrixRun.outputs(
    op, domain: domain, opset: opset, inputs, attributes, wanted: wanted, threads: 2)
  for (a, b) in zip(one, two) {
    if let a, let b { #expect(a.isIdentical(to: b), "\(op) depends on the number of threads") }
  }
  return one
}

/// The message of the error that `body` throws.
func message(_ body: () throws -> Void) -> String {
  do { try body() } catch { return "\(error)" }
  return ""
}
