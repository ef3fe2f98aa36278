import GraphIR

/// C = whether a relation holds between A and B, broadcast; bool.
protocol ComparisonOperator: Operator {
  static func holds<T: ArithmeticElement>(_ a: T, _ b: T) -> Bool
}

extension ComparisonOperator {
  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [TensorType(.bool, try Elementwise.broadcast([inputs.shape(0), inputs.shape(1)]))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let a = inputs[0], let b = inputs[1], let y = outputs[0] else { return }
    try a.dtype.visit(ComparisonRun<Self>(a: a, b: b, y: y, pool: context.pool))
  }
}

private struct ComparisonRun<Relation: ComparisonOperator>: ArithmeticVisitor {
  let a: Tensor
  let b: Tensor
  let y: Tensor
  let pool: ThreadPool

  func visit<T: ArithmeticElement>(_ type: T.Type) {
    BinaryKernel.map(a, b, y, pool, (type, type, UInt8.self)) { Relation.holds($0, $1) ? 1 : 0 }
  }
}

extension Schema {
  static func comparison(_ name: String, since: Int, types: Set<DType> = .numbers) -> Schema {
    Schema(
      name, since: since, inputs: ["A: T", "B: T"], outputs: ["C: B"], types: ["T": types, "B": [.bool]])
  }
}

/// A = B; NaN equals nothing.
struct Equal: ComparisonOperator {
  static let schema = Schema.comparison("Equal", since: 19, types: .all)
  init(_ attributes: Attributes) {}
  @inline(__always) static func holds<T: ArithmeticElement>(_ a: T, _ b: T) -> Bool { a == b }
}

/// A < B.
struct Less: ComparisonOperator {
  static let schema = Schema.comparison("Less", since: 13)
  init(_ attributes: Attributes) {}
  @inline(__always) static func holds<T: ArithmeticElement>(_ a: T, _ b: T) -> Bool { a < b }
}

/// A ≤ B.
struct LessOrEqual: ComparisonOperator {
  static let schema = Schema.comparison("LessOrEqual", since: 16)
  init(_ attributes: Attributes) {}
  @inline(__always) static func holds<T: ArithmeticElement>(_ a: T, _ b: T) -> Bool { a <= b }
}

/// A > B.
struct Greater: ComparisonOperator {
  static let schema = Schema.comparison("Greater", since: 13)
  init(_ attributes: Attributes) {}
  @inline(__always) static func holds<T: ArithmeticElement>(_ a: T, _ b: T) -> Bool { a > b }
}

/// A ≥ B.
struct GreaterOrEqual: ComparisonOperator {
  static let schema = Schema.comparison("GreaterOrEqual", since: 16)
  init(_ attributes: Attributes) {}
  @inline(__always) static func holds<T: ArithmeticElement>(_ a: T, _ b: T) -> Bool { a >= b }
}
