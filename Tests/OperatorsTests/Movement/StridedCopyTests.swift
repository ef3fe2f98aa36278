import GraphIR
import Testing

@testable import Operators

/// The vectorised copies against plain twins, on random shapes and with 1 and 2 threads.
@Suite struct StridedCopyTests {
  /// Element by element, with indices spelled out.
  private func plain(
    _ x: [UInt16], _ base: Int, shape: [Int], source: [Int], target: [Int], into y: inout [UInt16]
  ) {
    var index = [Int](repeating: 0, count: shape.count)
    for _ in 0..<Shape.count(shape) {
      let from = base + zip(index, source).reduce(0) { $0 + $1.0 * $1.1 }
      y[zip(index, target).reduce(0) { $0 + $1.0 * $1.1 }] = x[from]
      for axis in shape.indices.reversed() {
        index[axis] += 1
        if index[axis] < shape[axis] { break }
        index[axis] = 0
      }
    }
  }

  @Test(arguments: [1, 2]) func matchesPlainTwin(threads: Int) {
    var random = SystemRandomNumberGenerator()
    let pool = ThreadPool(threads: threads)
    for round in 0..<300 {
      let rank = Int.random(in: 0...4, using: &random)
      let most = round % 30 == 0 ? 40 : 6
      let shape = (0..<rank).map { _ in Int.random(in: 1...most, using: &random) }
      // A permuted, sometimes reversed or repeated source.
      let order = shape.indices.shuffled()
      let permuted = Shape.strides(order.map { shape[$0] })
      var source = [Int](repeating: 0, count: rank)
      for (position, axis) in order.enumerated() { source[axis] = permuted[position] }
      var base = 0
      for axis in shape.indices {
        switch Int.random(in: 0..<5, using: &random) {
        case 0:
          base += source[axis] * (shape[axis] - 1)
          source[axis] = -source[axis]
        case 1: source[axis] = 0
        default: break
        }
      }
      // A target with room between its rows.
      var target = Shape.strides(shape)
      if rank > 1, Bool.random() { target = Shape.strides(shape.dropLast() + [shape[rank - 1] + 3]) }
      let room = zip(shape, target).reduce(1) { $0 + ($1.0 - 1) * $1.1 }
      let x = (0..<max(1, Shape.count(shape))).map { UInt16(truncatingIfNeeded: $0 &* 40503) }
      var expected = [UInt16](repeating: 0, count: room)
      plain(x, base, shape: shape, source: source, target: target, into: &expected)
      var y = [UInt16](repeating: 0, count: room)
      x.withUnsafeBufferPointer { x in
        y.withUnsafeMutableBytes { y in
          StridedCopy(shape: shape, source: source, target: target)
            .run(from: x.baseAddress! + base, to: y.baseAddress!, elementSize: 2, pool)
        }
      }
      #expect(y == expected, "\(shape) \(source) \(target)")
    }
  }

  @Test(arguments: [DType.uint8, .float16, .float32, .float64])
  func transposesLargeMatrices(dtype: DType) throws {
    let (rows, columns) = (301, 513)
    let x = Tensor.counting(
      [3, rows, columns], dtype == .uint8 ? .uint8 : dtype == .float16 ? .int16 : dtype)
    var results: [Tensor] = []
    for threads in [1, 2] {
      results.append(try MovementCase("Transpose", ["perm": .ints([0, 2, 1])], threads: threads)(x))
    }
    #expect(results[0].isIdentical(to: results[1]))
    let y = results[0]
    let size = x.dtype.size
    var wrong = 0
    for b in 0..<3 {
      for i in 0..<rows {
        for j in 0..<columns {
          let from = x.pointer + ((b * rows + i) * columns + j) * size
          let to = y.pointer + ((b * columns + j) * rows + i) * size
          for byte in 0..<size
          where from.load(fromByteOffset: byte, as: UInt8.self)
            != to.load(fromByteOffset: byte, as: UInt8.self)
          { wrong += 1 }
        }
      }
    }
    #expect(wrong == 0)
  }

  @Test func joinsAxesThatWalkTogether() {
    let copy = StridedCopy(shape: [2, 1, 3, 4], source: [12, 99, 4, 1])
    #expect(copy.shape == [24])
    #expect(StridedCopy(shape: [2, 3, 4], source: [4, 8, 1]).shape == [2, 3, 4])
    #expect(StridedCopy(shape: [5, 3, 4], source: [0, 4, 1]).shape == [5, 12])
    #expect(StridedCopy(shape: [5, 0], source: [3, 1]).shape == [0])
  }

  @Test func longRunsAreCut() throws {
    let x = Tensor.counting([2, 100_000])
    let y = try MovementCase("Concat", ["axis": .int(1)], threads: 2)(x, x)
    #expect(y.shape == [2, 200_000])
    #expect(y.rows(1..<2).copy().floats[150_000] == 150_000)
    #expect(y.floats[100_000..<200_000].elementsEqual(x.floats[0..<100_000]))
  }

  @Test func indexMapsMatchPlainTwin() {
    let pool = ThreadPool(threads: 2)
    for _ in 0..<100 {
      let shape = (0..<Int.random(in: 1...3)).map { _ in Int.random(in: 1...5) }
      let maps = shape.map { extent in
        switch Int.random(in: 0..<3) {
        case 0: Array(0..<extent)
        case 1: (0..<2 * extent).map { $0 / 2 }
        default: (0..<Int.random(in: 1...7)).map { _ in Int.random(in: -1..<extent) }
        }
      }
      let x = Tensor.counting(shape, .int32)
      let result = maps.map(\.count)
      let y = Tensor(.int32, result)
      IndexMapCopy(shape: shape, maps: maps)
        .run(from: x.pointer, to: y.pointer, elementSize: 4, fill: Tensor(scalar: Int32(-7)), pool)
      let strides = Shape.strides(result)
      let from = Shape.strides(shape)
      let expected = (0..<y.count).map { position -> Int32 in
        var offset = 0
        for axis in shape.indices {
          let source = maps[axis][position / strides[axis] % result[axis]]
          if source < 0 { return -7 }
          offset += source * from[axis]
        }
        return Int32(offset)
      }
      #expect(y.array(of: Int32.self) == expected)
    }
  }
}
