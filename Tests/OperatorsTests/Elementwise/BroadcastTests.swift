import GraphIR
import TestSupport
import Testing

/// Two-sided operators on random broadcast shapes against the plain twin.
@Suite struct BroadcastTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let op: String
    let float: @Sendable (Float, Float) -> Float
    let int: @Sendable (Int32, Int32) -> Int32
    var testDescription: String { op }
  }

  static let cases = [
    Case(op: "Add", float: { $0 + $1 }, int: { $0 &+ $1 }),
    Case(op: "Sub", float: { $0 - $1 }, int: { $0 &- $1 }),
    Case(op: "Mul", float: { $0 * $1 }, int: { $0 &* $1 }),
    Case(op: "Div", float: { $0 / $1 }, int: { $0 / $1 }),
    Case(op: "Min", float: { Swift.min($0, $1) }, int: { Swift.min($0, $1) }),
    Case(op: "Max", float: { Swift.max($0, $1) }, int: { Swift.max($0, $1) }),
  ]

  @Test(arguments: cases) func agreesWithTheTwin(_ test: Case) throws {
    var random = ElementwiseRandom(11)
    for round in 0..<60 {
      let shape = random.shape(maximumRank: 5)
      var shapes = [shape, random.broadcastable(to: shape)]
      if round % 2 == 1 { shapes.reverse() }
      let a = random.floats(shapes[0])
      let b = random.floats(shapes[1], in: 0.5...3)
      let y = try OperatorHarness.runOperator(test.op, [a, b])[0]
      #expect(y.shape == shape)
      #expect(y.array(of: Float.self) == PlainBroadcast.map(a, b, shape, test.float))
      let c = random.int32s(shapes[0])
      let d = random.int32s(shapes[1], in: 1...9)
      let z = try OperatorHarness.runOperator(test.op, [c, d])[0]
      #expect(z.array(of: Int32.self) == PlainBroadcast.map(c, d, shape, test.int))
    }
  }

  /// The patterns that models use, large enough for several pieces of work.
  @Test(
    arguments: [
      ([3, 40, 33, 17], [40, 1, 1]), ([3, 40, 33, 17], [3, 40, 1, 1]), ([9, 77, 65], [65]),
      ([9, 77, 65], [9, 77, 1]), ([70_001], []), ([2, 8, 64, 77], [2, 1, 1, 77]),
      ([1, 5, 9001], [4, 1, 9001]),
    ] as [([Int], [Int])])
  func threadsAgree(_ first: [Int], _ second: [Int]) throws {
    var random = ElementwiseRandom(3)
    let a = random.floats(first)
    let b = random.floats(second)
    let shape = Shape.broadcast(first.map { .known($0) }, second.map { .known($0) })!.map { $0.value! }
    for inputs in [[a, b], [b, a]] {
      let one = try OperatorHarness.runOperator("Sub", inputs)[0]
      let two = try OperatorHarness.runOperator("Sub", inputs, threads: 2)[0]
      #expect(one.isIdentical(to: two))
      #expect(
        one.array(of: Float.self)
          == PlainBroadcast.map(inputs[0], inputs[1], shape) { (x: Float, y) in x - y })
      for position in 0..<2 where inputs[position].count == one.count {
        let same = try OperatorHarness.runOperator("Sub", inputs, threads: 2, inPlace: position)[0]
        #expect(one.isIdentical(to: same))
      }
    }
  }

  @Test func emptyTensors() throws {
    let y = try OperatorHarness.runOperator(
      "Add", [Tensor([Float](), shape: [0, 3]), Tensor([Float](repeating: 1, count: 3), shape: [3])])[0]
    #expect(y.shape == [0, 3])
  }

  @Test func variadic() throws {
    let a = Tensor([1, 5] as [Float], shape: [2, 1])
    let b = Tensor([2, .nan, 9] as [Float], shape: [3])
    let c = Tensor(scalar: Float(4))
    let most = try OperatorHarness.runOperator("Max", [c, a, b])[0].array(of: Float.self)
    #expect(most[0] == 4 && most[1].isNaN && most[2] == 9 && most[3] == 5 && most[4].isNaN && most[5] == 9)
    let mean = try OperatorHarness.runOperator("Mean", [a, c, a])[0].array(of: Float.self)
    #expect(mean == [2, 14 / 3])
    #expect(try OperatorHarness.runOperator("Sum", [a])[0].isIdentical(to: a))
    #expect(throws: DataError.self) { try OperatorHarness.runOperator("Sum", []) }
  }

  @Test func inference() throws {
    let float = { (shape: [Dim]?) in TensorType(.float32, shape) }
    #expect(
      try OperatorHarness.infer("Add", [float(["n", 3, 1]), float([4])]) == [float(["n", 3, 4])])
    #expect(try OperatorHarness.infer("Add", [float(["n"]), float([.unknown])]) == [float([.unknown])])
    #expect(try OperatorHarness.infer("Add", [float(nil), float([4])]) == [float(nil)])
    #expect(throws: DataError("shapes [2, 3] and [4] do not broadcast")) {
      try OperatorHarness.infer("Mul", [float([2, 3]), float([4])])
    }
  }
}
