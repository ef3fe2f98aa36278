import GraphIR

/// A running fold along an axis.
protocol CumulativeOperator: Operator {
  static func start<T: ArithmeticElement>(_ type: T.Type) -> T
  static func combine<T: ArithmeticElement>(_ a: T, _ b: T) -> T
  var direction: CumulativeDirection { get }
}

/// `exclusive` leaves an element out of its own fold, `reverse` starts at the end.
struct CumulativeDirection: Sendable {
  let exclusive: Bool
  let reverse: Bool

  init(_ attributes: Attributes) throws {
    exclusive = try attributes.bool("exclusive")
    reverse = try attributes.bool("reverse")
  }
}

/// Running sums.
struct CumSum: CumulativeOperator {
  static let schema = Schema.cumulative("CumSum", since: 14)
  let direction: CumulativeDirection
  init(_ attributes: Attributes) throws { direction = try CumulativeDirection(attributes) }
  @inline(__always) static func start<T: ArithmeticElement>(_ type: T.Type) -> T { .zero }
  @inline(__always) static func combine<T: ArithmeticElement>(_ a: T, _ b: T) -> T { T.sum(a, b) }
}

/// Running products; integers wrap.
struct CumProd: CumulativeOperator {
  static let schema = Schema.cumulative("CumProd", since: 26)
  let direction: CumulativeDirection
  init(_ attributes: Attributes) throws { direction = try CumulativeDirection(attributes) }
  @inline(__always) static func start<T: ArithmeticElement>(_ type: T.Type) -> T { .one }
  @inline(__always) static func combine<T: ArithmeticElement>(_ a: T, _ b: T) -> T { T.product(a, b) }
}

extension Schema {
  static func cumulative(_ name: String, since: Int) -> Schema {
    Schema(
      name, since: since, inputs: ["x: T", "axis: I"], outputs: ["y: T"],
      types: ["T": .numbers, "I": .indices], attributes: ["exclusive": .int(0), "reverse": .int(0)])
  }
}

extension CumulativeOperator {
  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    if let axis = inputs.ints(1), let rank = type.rank {
      guard axis.count == 1 else { throw DataError("axis is not a scalar") }
      _ = try InferenceInputs.axis(axis[0], rank: rank)
    }
    return [type]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let axis = inputs[1], let y = outputs[0] else { return }
    guard axis.count == 1 else { throw DataError("axis is not a scalar") }
    let given = Int(axis.converted(to: .int64).array(of: Int64.self)[0])
    let at = try InferenceInputs.axis(given, rank: x.rank)
    try x.dtype.visit(
      CumulativeRun<Self>(
        x: x, y: y, length: x.shape[at], inner: Shape.count(Array(x.shape[(at + 1)...])),
        direction: direction, pool: context.pool))
  }
}

private struct CumulativeRun<Fold: CumulativeOperator>: ArithmeticVisitor {
  let x: Tensor
  let y: Tensor
  let length: Int
  let inner: Int
  let direction: CumulativeDirection
  let pool: ThreadPool

  func visit<T: ArithmeticElement>(_ type: T.Type) {
    guard x.count > 0 else { return }
    let source = x.pointer(as: type)
    let target = y.pointer(as: type)
    pool.forRanges(x.count / length, grain: max(1, 16384 / length)) { range in
      for item in range {
        let first = item / inner * length * inner + item % inner
        var total = Fold.start(type)
        for step in 0..<length {
          let place = first + (direction.reverse ? length - 1 - step : step) * inner
          let next = Fold.combine(total, source[place])
          target[place] = direction.exclusive ? total : next
          total = next
        }
      }
    }
  }
}

extension CumSum: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    [
      context.graph.CumSum(
        try context.gradient(), context.input(1),
        attributes: [
          "exclusive": .int(direction.exclusive ? 1 : 0), "reverse": .int(direction.reverse ? 0 : 1),
        ])
    ]
  }
}
