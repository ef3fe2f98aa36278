import GraphIR

/// C = a function of the bits of A and B, broadcast integers.
protocol BitwiseOperator: Operator {
  static func apply(_ a: UInt64, _ b: UInt64) -> UInt64
}

extension BitwiseOperator {
  var aliasing: Aliasing { .inPlace([0, 1]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [TensorType(try inputs.dtype(0), try Elementwise.broadcast([inputs.shape(0), inputs.shape(1)]))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let a = inputs[0], let b = inputs[1], let y = outputs[0] else { return }
    func run<T: FixedWidthInteger>(_ type: T.Type) {
      BinaryKernel.map(a, b, y, context.pool, (type, type, type)) {
        T(truncatingIfNeeded: Self.apply(UInt64(truncatingIfNeeded: $0), UInt64(truncatingIfNeeded: $1)))
      }
    }
    switch y.dtype.size {
    case 1: run(UInt8.self)
    case 2: run(UInt16.self)
    case 4: run(UInt32.self)
    default: run(UInt64.self)
    }
  }
}

/// C = A & B.
struct BitwiseAnd: BitwiseOperator {
  static let schema = Schema.arithmetic("BitwiseAnd", since: 18, types: .integers)
  init(_ attributes: Attributes) {}
  @inline(__always) static func apply(_ a: UInt64, _ b: UInt64) -> UInt64 { a & b }
}

/// C = A | B.
struct BitwiseOr: BitwiseOperator {
  static let schema = Schema.arithmetic("BitwiseOr", since: 18, types: .integers)
  init(_ attributes: Attributes) {}
  @inline(__always) static func apply(_ a: UInt64, _ b: UInt64) -> UInt64 { a | b }
}

/// C = A ^ B.
struct BitwiseXor: BitwiseOperator {
  static let schema = Schema.arithmetic("BitwiseXor", since: 18, types: .integers)
  init(_ attributes: Attributes) {}
  @inline(__always) static func apply(_ a: UInt64, _ b: UInt64) -> UInt64 { a ^ b }
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
