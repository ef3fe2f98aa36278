import GraphIR

/// C = a truth function of A and B, broadcast; bool.
protocol LogicOperator: Operator {
  static func apply(_ a: Bool, _ b: Bool) -> Bool
}

extension LogicOperator {
  var aliasing: Aliasing { .inPlace([0, 1]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [TensorType(.bool, try Elementwise.broadcast([inputs.shape(0), inputs.shape(1)]))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let a = inputs[0], let b = inputs[1], let y = outputs[0] else { return }
    BinaryKernel.map(a, b, y, context.pool, (UInt8.self, UInt8.self, UInt8.self)) {
      Self.apply($0 != 0, $1 != 0) ? 1 : 0
    }
  }
}

/// A and B.
struct And: LogicOperator {
  static let schema = Schema.comparison("And", since: 7, types: [.bool])
  init(_ attributes: Attributes) {}
  @inline(__always) static func apply(_ a: Bool, _ b: Bool) -> Bool { a && b }
}

/// A or B.
struct Or: LogicOperator {
  static let schema = Schema.comparison("Or", since: 7, types: [.bool])
  init(_ attributes: Attributes) {}
  @inline(__always) static func apply(_ a: Bool, _ b: Bool) -> Bool { a || b }
}

/// Either A or B, not both.
struct Xor: LogicOperator {
  static let schema = Schema.comparison("Xor", since: 7, types: [.bool])
  init(_ attributes: Attributes) {}
  @inline(__always) static func apply(_ a: Bool, _ b: Bool) -> Bool { a != b }
}

/// Y = not X.
struct Not: Operator {
  static let schema = Schema.map("Not", since: 1, types: [.bool])
  init(_ attributes: Attributes) {}
  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [try inputs.type(0)] }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    UnaryKernel.map(x, y, context.pool, from: UInt8.self, to: UInt8.self) { $0 == 0 ? 1 : 0 }
  }
}
