import GraphIR
import Testing

@testable import Operators

/// Gemm, MatMul and Linear against three nested loops in float64.
@Suite struct MatrixProductTests {
  private func product(_ a: [Double], _ b: [Double], _ m: Int, _ n: Int, _ k: Int) -> [Double] {
    var c = [Double](repeating: 0, count: m * n)
    for i in 0..<m { for j in 0..<n { for l in 0..<k { c[i * n + j] += a[i * k + l] * b[l * n + j] } } }
    return c
  }

  private func transposed(_ t: Tensor) -> Tensor {
    let (m, n, values) = (t.shape[0], t.shape[1], wrapped(t))
    let turned = (0..<m * n).map { values[$0 % m * n + $0 / m] }
    if t.dtype.isFloat { return Tensor(turned, shape: [n, m]).converted(to: t.dtype) }
    return Tensor(turned.map { Int64($0) }, shape: [n, m]).converted(to: t.dtype)
  }

  @Test(arguments: [DType.float32, .float64, .float16, .int32, .int64, .uint32, .uint64])
  func gemm(_ dtype: DType) throws {
    var numbers = MatrixNumbers(1)
    for round in 0..<40 {
      let (m, n, k) = (numbers.pick([1, 3, 17, 65]), numbers.pick([1, 2, 33]), numbers.pick([1, 5, 40]))
      func make(_ shape: [Int]) -> Tensor {
        dtype.isFloat ? numbers.tensor(dtype, shape) : numbers.integers(dtype, shape)
      }
      let (a, b) = (make([m, k]), make([k, n]))
      let c = round % 7 == 0 ? nil : make(numbers.pick([[], [1], [n], [m, 1], [1, n], [m, n]]))
      let (transA, transB) = (round % 2 == 1, round % 4 > 1)
      let (alpha, beta) = dtype.isFloat ? numbers.pick([(1, 1), (0.5, 2), (2, 0)]) : (1.0, 1.0)
      let y = try runOnBoth(
        "Gemm", [transA ? transposed(a) : a, transB ? transposed(b) : b, c],
        [
          "alpha": .float(Float(alpha)), "beta": .float(Float(beta)), "transA": .int(transA ? 1 : 0),
          "transB": .int(transB ? 1 : 0),
        ])[0]!
      var expected = product(wrapped(a), wrapped(b), m, n, k).map { $0 * alpha }
      if let c {
        let strides = Shape.broadcastStrides(c.shape, to: [m, n])
        for i in 0..<m * n {
          expected[i] += beta * wrapped(c)[i / n * strides[0] + i % n * strides[1]]
        }
      }
      if dtype.isFloat {
        #expect(y.error(from: expected) < dtype.tolerance)
      } else {
        // Unsigned results wrap: compare as signed numbers of the same width.
        #expect(wrapped(y) == expected)
      }
    }
  }

  /// Elements as doubles; unsigned ones by their signed bit patterns.
  private func wrapped(_ t: Tensor) -> [Double] {
    switch t.dtype {
    case .uint32: t.array(of: UInt32.self).map { Double(Int32(bitPattern: $0)) }
    case .uint64: t.array(of: UInt64.self).map { Double(Int64(bitPattern: $0)) }
    default: t.doubles
    }
  }

  @Test func matMulBroadcasts() throws {
    var numbers = MatrixNumbers(2)
    let batches: [([Int], [Int])] = [
      ([], []), ([2], []), ([], [3]), ([2, 3], [3]), ([2, 1], [1, 3]), ([4, 2], [4, 2]), ([1], [5, 1]),
      ([2], [1, 1, 1]), ([0], []),
    ]
    for (left, right) in batches {
      for dtype in [DType.float32, .float64, .int64] {
        let (m, n, k) = (numbers.pick([1, 7, 40]), numbers.pick([1, 9, 64]), numbers.pick([1, 6, 33]))
        func make(_ shape: [Int]) -> Tensor {
          dtype.isFloat ? numbers.tensor(dtype, shape) : numbers.integers(dtype, shape)
        }
        let (a, b) = (make(left + [m, k]), make(right + [k, n]))
        let batch = Shape.broadcast(left.map { .known($0) }, right.map { .known($0) })!.map { $0.value! }
        let (sa, sb) = (Shape.broadcastStrides(left, to: batch), Shape.broadcastStrides(right, to: batch))
        var expected: [Double] = []
        for item in 0..<Shape.count(batch) {
          var (rest, fromA, fromB) = (item, 0, 0)
          for axis in batch.indices.reversed() {
            fromA += rest % batch[axis] * sa[axis]
            fromB += rest % batch[axis] * sb[axis]
            rest /= batch[axis]
          }
          expected += product(
            Array(a.doubles[(fromA * m * k)..<((fromA + 1) * m * k)]),
            Array(b.doubles[(fromB * k * n)..<((fromB + 1) * k * n)]), m, n, k)
        }
        let y = try runOnBoth("MatMul", [a, b])[0]!
        #expect(y.shape == batch + [m, n])
        #expect(y.error(from: expected) < DType.float32.tolerance)
      }
    }
  }

  @Test func matMulPromotesVectors() throws {
    let v = Tensor([1, 2, 3] as [Float], shape: [3])
    let a = Tensor([1, 0, 0, 0, 1, 1] as [Float], shape: [2, 3])
    #expect(try runOnBoth("MatMul", [v, v])[0]!.array(of: Float.self) == [14])
    #expect(try runOnBoth("MatMul", [v, v])[0]!.shape == [])
    #expect(try runOnBoth("MatMul", [a, v])[0]!.array(of: Float.self) == [1, 5])
    let t = Tensor([1, 0, 0, 1, 0, 1] as [Float], shape: [3, 2])
    #expect(try runOnBoth("MatMul", [v, t])[0]!.array(of: Float.self) == [1, 5])
    let batch = try runOnBoth("MatMul", [Tensor([1, 1, 2, 2] as [Float], shape: [2, 2, 1]), t.rows(0..<1)])
    #expect(batch[0]!.shape == [2, 2, 2])
  }

  /// Several tiles each way, with rests.
  @Test func largeProducts() throws {
    var numbers = MatrixNumbers(3)
    for (m, n, k) in [(700, 530, 19), (1, 2000, 300), (1300, 5, 90), (33, 1, 20_000)] {
      let (a, b) = (numbers.tensor([m, k]), numbers.tensor([k, n]))
      let bias = numbers.tensor([n])
      let expected = product(a.doubles, b.doubles, m, n, k)
      let added = expected.indices.map { expected[$0] + bias.doubles[$0 % n] }
      #expect(try runOnBoth("MatMul", [a, b])[0]!.error(from: expected) < 3e-6)
      #expect(try runOnBoth("Gemm", [a, b, bias])[0]!.error(from: added) < 3e-6)
      let linear = try runOnBoth("Linear", domain: "dsd", [a, transposed(b), bias])[0]!
      #expect(linear.error(from: added) < 3e-6)
    }
  }

  @Test func linearKeepsLeadingAxes() throws {
    var numbers = MatrixNumbers(4)
    let w = numbers.tensor([5, 4])
    for lead in [[], [3], [2, 3], [2, 0, 3]] {
      let x = numbers.tensor(lead + [4])
      let y = try runOnBoth("Linear", domain: "dsd", [x, w])[0]!
      #expect(y.shape == lead + [5])
      let rows = Shape.count(lead)
      #expect(y.error(from: product(x.doubles, transposed(w).doubles, rows, 5, 4)) < 1e-6)
    }
  }

  @Test func emptyInnerDimensionGivesZeros() throws {
    let (a, b) = (Tensor(.float32, [2, 0]), Tensor(.float32, [0, 3]))
    #expect(try runOnBoth("MatMul", [a, b])[0]!.doubles == [0, 0, 0, 0, 0, 0])
    let c = Tensor([1, 2, 3] as [Float], shape: [3])
    #expect(try runOnBoth("Gemm", [a, b, c])[0]!.doubles == [1, 2, 3, 1, 2, 3])
  }

  /// Tiles follow from the extents, and a large product has enough of them.
  @Test func tiles() {
    for (m, n, k) in [(1, 1, 1), (77, 768, 768), (4096, 2560, 320), (1280, 64, 11520), (2, 1280, 1280)] {
      let tile = MatrixProduct<Float>.tile(m, n, k)
      let count = ((m + tile.rows - 1) / tile.rows) * ((n + tile.columns - 1) / tile.columns)
      #expect(count >= (m * n * k > 1 << 19 ? 2 : 1))
    }
  }

  @Test func errorsNameTheDimensions() {
    func tensor(_ shape: Int...) -> Tensor { Tensor.zeros(.float32, shape) }
    #expect(
      message { _ = try MatrixRun.outputs("MatMul", [tensor(2, 4), tensor(5, 3)]) }
        .contains("inner dimensions 4 and 5 differ"))
    #expect(
      message { _ = try MatrixRun.outputs("MatMul", [tensor(2, 2, 4), tensor(3, 4, 3)]) }
        .contains("batch dimensions do not broadcast"))
    #expect(message { _ = try MatrixRun.outputs("MatMul", [tensor(), tensor(3)]) }.contains("scalar"))
    #expect(
      message { _ = try MatrixRun.outputs("Gemm", [tensor(2, 4), tensor(3, 4)]) }
        .contains("inner dimensions 4 and 3 differ"))
    #expect(
      message { _ = try MatrixRun.outputs("Gemm", [tensor(2, 4), tensor(4, 3), tensor(2)]) }
        .contains("does not broadcast"))
    #expect(message { _ = try MatrixRun.outputs("Gemm", [tensor(2), tensor(4, 3)]) }.contains("rank 1"))
    #expect(
      message { _ = try MatrixRun.outputs("Linear", domain: "dsd", [tensor(2, 4), tensor(3, 5)]) }
        .contains("inner dimensions 4 and 5 differ"))
  }

  @Test func unknownExtentsStayUnknown() throws {
    let matMul = try MatMul(Attributes([:], opset: 13))
    func infer(_ a: [Dim]?, _ b: [Dim]?) throws -> [Dim]? {
      try matMul.infer(InferenceInputs([TensorType(.float32, a), TensorType(.float32, b)]))[0].shape
    }
    #expect(try infer(["n", 4], [4, 3]) == ["n", 3])
    #expect(try infer(["n", "k"], [4, .unknown]) == ["n", .unknown])
    #expect(try infer(nil, [4, 3]) == nil)
    #expect(try infer(["b", 2, 3], ["b", 3, 5]) == ["b", 2, 5])
    let types = [TensorType(.float32, [2, 3, 4]), TensorType(.float32, [4, 5])]
    #expect(matMul.multiplyAdds(types, [TensorType(.float32, [2, 3, 5])]) == 120)
  }
}
