import GraphIR
import TestSupport
import Testing

@Suite struct QuantizationTests {
  private let signed: [DType] = [.int8, .int16, .int4, .int2]
  private let unsigned: [DType] = [.uint8, .uint16, .uint4, .uint2]

  private func run(_ op: String, _ inputs: [Tensor?], _ attributes: [String: Attribute] = [:]) throws
    -> Tensor
  {
    let one = try OperatorHarness.runOperator(op, opset: 28, inputs, attributes: attributes, threads: 1)[0]
    let two = try OperatorHarness.runOperator(op, opset: 28, inputs, attributes: attributes, threads: 2)[0]
    #expect(one.isIdentical(to: two))
    return one
  }

  private func integers(_ dtype: DType, _ shape: [Int], _ random: inout Seeded) -> Tensor {
    Tensor(
      (0..<Shape.count(shape)).map { _ in Int64.random(in: -70000...70000, using: &random) }, shape: shape
    )
    .converted(to: dtype)
  }

  /// Whatever is dequantized comes back: for every type, one scale, a scale for each index, and in blocks.
  @Test func comesBack() throws {
    var random = Seeded(8)
    for dtype in signed + unsigned {
      for (scaleShape, axis, block) in [([], 1, 0), ([5], 1, 0), ([3, 2, 4], 1, 3), ([3], -3, 0)]
        as [([Int], Int, Int)]
      {
        let codes = integers(dtype, [3, 5, 4], &random)
        let count = Shape.count(scaleShape)
        let scale = Tensor(
          (0..<count).map { _ in Float.random(in: 0.1...3, using: &random) }, shape: scaleShape)
        let zero = integers(dtype, scaleShape, &random)
        let attributes: [String: Attribute] = ["axis": .int(axis), "block_size": .int(block)]
        let values = try run("DequantizeLinear", [codes, scale, zero], attributes)
        #expect(values.dtype == .float32)
        #expect(
          try run("QuantizeLinear", [values, scale, zero], attributes).isIdentical(to: codes), "\(dtype)")
      }
    }
  }

  /// Ties go to even numbers, and what is out of range to the ends.
  @Test func roundsAndSaturates() throws {
    let x = Tensor([0.5, 1.5, 2.5, -0.5, -1.5, 1e9, -1e9, .infinity].map { Float($0) * 2 }, shape: [8])
    let scale = Tensor(scalar: Float(2))
    let bytes = try run("QuantizeLinear", [x, scale, Tensor(scalar: Int8(0))])
    #expect(bytes.array(of: Int8.self) == [0, 2, 2, 0, -2, 127, -128, 127])
    let lifted = try run("QuantizeLinear", [x, scale, Tensor(scalar: UInt8(3))])
    #expect(lifted.array(of: UInt8.self) == [3, 5, 5, 3, 1, 255, 0, 255])
    #expect(try run("QuantizeLinear", [x, scale]).dtype == .uint8)
    #expect(
      try run("QuantizeLinear", [x, scale], ["output_dtype": .int(Int(DType.int4.rawValue))]).dtype == .int4)
  }

  private func product(_ a: [Int], _ b: [Int], _ m: Int, _ k: Int, _ n: Int) -> [Int] {
    (0..<m * n).map { place in (0..<k).reduce(0) { $0 + a[place / n * k + $1] * b[$1 * n + place % n] } }
  }

  @Test func integerProducts() throws {
    var random = Seeded(9)
    let (m, k, n) = (3, 300, 5)
    for (left, right) in [(DType.uint8, DType.int8), (.int8, .uint8), (.uint8, .uint8)] {
      let (a, b) = (integers(left, [m, k], &random), integers(right, [k, n], &random))
      let zeros = (integers(left, [m], &random), integers(right, [n], &random))
      func ints(_ tensor: Tensor) -> [Int] {
        tensor.converted(to: .int64).array(of: Int64.self).map { Int($0) }
      }
      let (points, ends) = (ints(zeros.0), ints(zeros.1))
      let lifted = (
        ints(a).enumerated().map { $1 - points[$0 / k] }, ints(b).enumerated().map { $1 - ends[$0 % n] }
      )
      let sums = product(lifted.0, lifted.1, m, k, n)
      let y = try run("MatMulInteger", [a, b, zeros.0, zeros.1])
      #expect(y.dtype == .int32 && ints(y) == sums)
      // As a convolution of one pixel: channels first, and the weight transposed.
      let image = Tensor((0..<k * m).map { Int64(ints(a)[$0 % m * k + $0 / m]) }, shape: [1, k, m, 1])
      let weight = Tensor((0..<n * k).map { Int64(ints(b)[$0 % k * n + $0 / k]) }, shape: [n, k, 1, 1])
      let convolved = try run(
        "ConvInteger", [image.converted(to: left), weight.converted(to: right), nil, zeros.1])
      let plain = product(ints(a), lifted.1, m, k, n)
      #expect(ints(convolved) == (0..<n * m).map { plain[$0 % m * n + $0 / m] })
    }
  }

  /// Quantised products are those of the dequantised operands, within half a step.
  @Test func quantisedProducts() throws {
    var random = Seeded(10)
    let (a, b) = (integers(.uint8, [2, 4, 6], &random), integers(.int8, [6, 3], &random))
    let scales = [0.02, 0.03, 0.4].map { Tensor(scalar: Float($0)) }
    let zeros = (Tensor(scalar: UInt8(120)), Tensor(scalar: Int8(-3)), Tensor(scalar: UInt8(128)))
    let y = try run("QLinearMatMul", [a, scales[0], zeros.0, b, scales[1], zeros.1, scales[2], zeros.2])
    let real = try run(
      "MatMul",
      [
        try run("DequantizeLinear", [a, scales[0], zeros.0]),
        try run("DequantizeLinear", [b, scales[1], zeros.1]),
      ])
    let back = try run("DequantizeLinear", [y, scales[2], zeros.2])
    for (p, q) in zip(back.array(of: Float.self), real.array(of: Float.self)) where abs(q) < 0.4 * 126 {
      #expect(abs(p - q) <= 0.2001)
    }
    let x = integers(.uint8, [2, 4, 5, 5], &random)
    let channelScale = Tensor([Float(0.01), 0.02, 0.03], shape: [3])
    let channelZero = Tensor([Int8(0), 0, 0], shape: [3])
    let offset = Tensor([Int32(5000), -9000, 0], shape: [3])
    let window: [String: Attribute] = ["pads": .ints([1, 1, 1, 1]), "strides": .ints([2, 1])]
    let wide = integers(.int8, [3, 4, 3, 3], &random)
    let z = try run(
      "QLinearConv",
      [x, scales[0], zeros.0, wide, channelScale, channelZero, scales[2], zeros.2, offset], window)
    let image = try run("DequantizeLinear", [x, scales[0], zeros.0])
    let kernel = try run("DequantizeLinear", [wide, channelScale, channelZero], ["axis": .int(0)])
    let steps: [Float] = [0.02 * 0.01, 0.02 * 0.02, 0.02 * 0.03]
    let shift = Tensor(zip(offset.array(of: Int32.self), steps).map { Float($0) * $1 }, shape: [3])
    let floats = try run("Conv", [image, kernel, shift], window)
    let dequantized = try run("DequantizeLinear", [z, scales[2], zeros.2])
    #expect(z.shape == floats.shape && z.dtype == .uint8)
    for (p, q) in zip(dequantized.array(of: Float.self), floats.array(of: Float.self))
    where abs(q) < 0.4 * 126 {
      #expect(abs(p - q) <= 0.2001)
    }
  }

  @Test func dynamicRange() throws {
    for values in [[Float(0), 0, 0], [1, 2, 3], [-4, -2, -1], [-1, 0.25, 3]] {
      let outputs = try OperatorHarness.runOperator(
        "DynamicQuantizeLinear", [Tensor(values, shape: [3])], outputs: 3)
      let (scale, zero) = (outputs[1].array(of: Float.self)[0], outputs[2].array(of: UInt8.self)[0])
      for (code, value) in zip(outputs[0].array(of: UInt8.self), values) {
        #expect(abs((Float(code) - Float(zero)) * scale - value) <= scale * 0.501)
      }
    }
  }

  @Test func mistakesAreNamed() {
    let x = Tensor([Float(1), 2, 3, 4], shape: [2, 2])
    let three = Tensor([Float(1), 2, 3], shape: [3])
    #expect(throws: DataError.self) { try run("QuantizeLinear", [x, three]) }
    #expect(throws: DataError.self) {
      try run("QuantizeLinear", [x, Tensor(scalar: Float(1)), Tensor([UInt8(1), 2], shape: [2])])
    }
    #expect(throws: DataError.self) { try run("QuantizeLinear", [x, three], ["output_dtype": .int(1)]) }
    #expect(throws: DataError.self) { try run("QuantizeLinear", [x, x], ["block_size": .int(.max)]) }
    // Scales for columns, of a product that has none.
    let row = Tensor([UInt8(1), 2, 3], shape: [3])
    let (one, zero) = (Tensor(scalar: Float(1)), Tensor(scalar: UInt8(0)))
    #expect(throws: DataError.self) {
      try run("QLinearMatMul", [row, one, zero, row, three, row, one, zero])
    }
    let nothing = Tensor([] as [UInt8], shape: [0])
    #expect(throws: DataError.self) {
      try run("MatMulInteger", [row.reshaped([1, 3]), row.reshaped([3, 1]), nothing, nothing])
    }
    #expect(throws: DataError.self) {
      try run("QLinearMatMul", [Tensor([UInt8(1)], shape: [1, 1])] + [Tensor?](repeating: three, count: 7))
    }
  }
}
