import CKernels
import Foundation
import GraphIR
import Testing

/// The vectorised float32 functions against float64, over dense ranges and all magnitudes.
@Suite struct FloatKernelTests {
  typealias Kernel = @Sendable (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void

  struct Case: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let kernel: Kernel
    let limit: Double
    let exact: @Sendable (Double) -> Double
  }

  static let cases: [Case] = [
    Case(testDescription: "exp", kernel: { ck_exp_f32($0, $1, $2) }, limit: 1.1) { exp($0) },
    Case(testDescription: "log", kernel: { ck_log_f32($0, $1, $2) }, limit: 0.6) { log($0) },
    Case(testDescription: "erf", kernel: { ck_erf_f32($0, $1, $2) }, limit: 0.6) { erf($0) },
    Case(testDescription: "tanh", kernel: { ck_tanh_f32($0, $1, $2) }, limit: 1.6) { tanh($0) },
    Case(testDescription: "sigmoid", kernel: { ck_sigmoid_f32($0, $1, $2) }, limit: 2.5) {
      1 / (1 + exp(-$0))
    },
    Case(testDescription: "silu", kernel: { ck_silu_f32($0, $1, $2) }, limit: 3) {
      $0 == -.infinity ? 0 : $0 / (1 + exp(-$0))
    },
    Case(testDescription: "gelu", kernel: { ck_gelu_f32($0, $1, $2) }, limit: 6) {
      $0 == -.infinity ? 0 : 0.5 * $0 * erfc(-$0 * 0.5.squareRoot())
    },
    Case(testDescription: "gelu tanh", kernel: { ck_gelu_tanh_f32($0, $1, $2) }, limit: 0.6) {
      let u = (8 / Double.pi).squareRoot() * ($0 + 0.044715 * $0 * $0 * $0)
      return $0 < -40 ? 0 : $0 / (1 + exp(-u))
    },
    Case(testDescription: "sqrt", kernel: { ck_sqrt_f32($0, $1, $2) }, limit: 0.5) { $0.squareRoot() },
    Case(testDescription: "reciprocal", kernel: { ck_reciprocal_f32($0, $1, $2) }, limit: 0.5) { 1 / $0 },
  ]

  static let inputs: [Float] = {
    var random = ElementwiseRandom(7)
    let special: [Float] = [
      0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude, -.leastNonzeroMagnitude,
      .greatestFiniteMagnitude, -.greatestFiniteMagnitude, .leastNormalMagnitude, 88.72284, -103.97,
    ]
    let dense = stride(from: Float(-20), through: 20, by: 0.000313)
    let wide = stride(from: Float(-110), through: 110, by: 0.0107)
    let any = (0..<100_000).map { _ in Float(bitPattern: UInt32.random(in: .min ... .max, using: &random)) }
    return special + Array(dense) + Array(wide) + any
  }()

  @Test(arguments: cases) func isAccurate(_ test: Case) {
    let x = Self.inputs
    var y = [Float](repeating: 0, count: x.count)
    test.kernel(x, &y, x.count)
    var worst = 0.0
    for (x, y) in zip(x, y) {
      let exact = test.exact(Double(x))
      let rounded = Float(exact)
      if exact.isNaN {
        #expect(y.isNaN, "at \(x)")
      } else if rounded.isInfinite || y.isInfinite {
        #expect(y == rounded, "at \(x)")
      } else {
        // Results below float32's normal range may lose their last bits.
        let unit = Double(max(rounded.magnitude.ulp, 0x1p-149 * (rounded.magnitude < 0x1p-110 ? 128 : 1)))
        let error = abs(Double(y) - exact) / unit
        #expect(!y.isNaN, "at \(x)")
        worst = max(worst, error)
      }
    }
    #expect(worst <= test.limit)
  }

  /// Every length up to several vectors, in place and not: no element is missed or written past the end.
  @Test func handlesAllLengths() {
    for n in 0...70 {
      let x = (0..<n).map { Float($0) * 0.1 - 2 }
      var y = [Float](repeating: 99, count: n + 1)
      ck_tanh_f32(x, &y, n)
      for i in 0..<n { #expect(abs(y[i] - tanhf(x[i])) < 1e-6) }
      #expect(y[n] == 99)
      var same = x + [99]
      same.withUnsafeMutableBufferPointer { ck_tanh_f32($0.baseAddress!, $0.baseAddress!, n) }
      #expect(same == y)
    }
  }

  @Test func convertsEveryHalf() {
    let all = (0...UInt16.max).map { $0 }
    var wide = [Float](repeating: 0, count: all.count)
    ck_f16_to_f32(all, &wide, all.count)
    var back = [UInt16](repeating: 0, count: all.count)
    ck_f32_to_f16(wide, &back, wide.count)
    for (bits, value) in zip(all, wide) {
      let exact = Float(Float16(bitPattern: bits))
      #expect(exact.isNaN ? value.isNaN : value.bitPattern == exact.bitPattern)
    }
    for (bits, again) in zip(all, back) where !Float16(bitPattern: bits).isNaN { #expect(bits == again) }
    ck_bf16_to_f32(all, &wide, all.count)
    for (bits, value) in zip(all, wide) { #expect(value.bitPattern == UInt32(bits) << 16) }
  }

  @Test func roundsToHalves() {
    // Midpoints between neighbouring float16 numbers, their neighbours, and everything else.
    var x = Self.inputs
    for bits in UInt16(0)..<0x7C00 {
      let middle = (Float(Float16(bitPattern: bits)) + Float(Float16(bitPattern: bits + 1))) / 2
      if middle.isFinite { x += [middle, middle.nextUp, -middle.nextDown] }
    }
    var half = [UInt16](repeating: 0, count: x.count)
    var brain = half
    ck_f32_to_f16(x, &half, x.count)
    ck_f32_to_bf16(x, &brain, x.count)
    for i in x.indices {
      let exact = Float16(x[i])
      #expect(exact.isNaN ? Float16(bitPattern: half[i]).isNaN : half[i] == exact.bitPattern)
      #expect(brain[i] == BFloat16(x[i]).bitPattern)
    }
  }
}
