import GraphIR

/// C = a function of the bits of A and B, broadcast integers of one type.
protocol BitwiseOperator: Operator {
  func apply<T: FixedWidthInteger>(_ a: T, _ b: T) -> T
}

extension BitwiseOperator {
  var aliasing: Aliasing { .inPlace([0, 1]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [try Elementwise.pairType(inputs)] }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let a = inputs[0], let b = inputs[1], let y = outputs[0] else { return }
    try y.dtype.visit(BitwiseRun(a: a, b: b, y: y, function: self, pool: context.pool))
  }
}

private struct BitwiseRun<Function: BitwiseOperator>: IntegerVisitor {
  let a: Tensor
  let b: Tensor
  let y: Tensor
  let function: Function
  let pool: ThreadPool

  func visit<T: FixedWidthInteger>(_ type: T.Type) {
    BinaryKernel.map(a, b, y, pool, (type, type, type)) { function.apply($0, $1) }
  }
}

/// C = A & B.
struct BitwiseAnd: BitwiseOperator {
  static let schema = Schema.arithmetic("BitwiseAnd", since: 18, types: .integers)
  init(_ attributes: Attributes) {}
  @inline(__always) func apply<T: FixedWidthInteger>(_ a: T, _ b: T) -> T { a & b }
}

/// C = A | B.
struct BitwiseOr: BitwiseOperator {
  static let schema = Schema.arithmetic("BitwiseOr", since: 18, types: .integers)
  init(_ attributes: Attributes) {}
  @inline(__always) func apply<T: FixedWidthInteger>(_ a: T, _ b: T) -> T { a | b }
}

/// C = A ^ B.
struct BitwiseXor: BitwiseOperator {
  static let schema = Schema.arithmetic("BitwiseXor", since: 18, types: .integers)
  init(_ attributes: Attributes) {}
  @inline(__always) func apply<T: FixedWidthInteger>(_ a: T, _ b: T) -> T { a ^ b }
}

/// Y = ~X.
struct BitwiseNot: Operator {
  static let schema = Schema.map("BitwiseNot", since: 18, types: .integers)
  init(_ attributes: Attributes) {}
  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [try inputs.type(0)] }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    // Bits know no elements: bytes are turned one by one.
    let from = x.pointer(as: UInt8.self)
    let to = y.pointer(as: UInt8.self)
    context.pool.forRanges(x.byteCount, grain: Elementwise.grain) { range in
      for i in range { to[i] = ~from[i] }
    }
  }
}
