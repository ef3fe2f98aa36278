import GraphIR

/// y[i] = f(a[i], b[i]) over `n` float32 elements, with variants where one side is a single number.
struct FloatBinary: Sendable {
  typealias Map =
    @Sendable (
      UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int
    ) -> Void
  let vectors: Map
  let vectorScalar: Map
  let scalarVector: Map

  init(_ vectors: @escaping Map, _ vectorScalar: @escaping Map, _ scalarVector: @escaping Map) {
    self.vectors = vectors
    self.vectorScalar = vectorScalar
    self.scalarVector = scalarVector
  }
}

/// Maps over two broadcast tensors. The result may be the memory of an operand of its size.
enum BinaryKernel {
  /// float32 through vectorised loops.
  static func map(_ a: Tensor, _ b: Tensor, _ y: Tensor, _ pool: ThreadPool, _ body: FloatBinary) {
    let walk = BroadcastWalk(result: y.shape, [a.shape, b.shape])
    let p = UnsafePointer(a.pointer(as: Float.self))
    let q = UnsafePointer(b.pointer(as: Float.self))
    let target = y.pointer(as: Float.self)
    let form = (walk.innerStrides[0], walk.innerStrides[1])
    pool.forRanges(walk.count, grain: Elementwise.grain) { range in
      walk.forEachRun(range) { start, n, offsets in
        switch form {
        case (1, 1): body.vectors(p + offsets[0], q + offsets[1], target + start, n)
        case (1, _): body.vectorScalar(p + offsets[0], q + offsets[1], target + start, n)
        case (_, 1): body.scalarVector(p + offsets[0], q + offsets[1], target + start, n)
        default:
          var value: Float = 0
          body.vectors(p + offsets[0], q + offsets[1], &value, 1)
          (target + start).update(repeating: value, count: n)
        }
      }
    }
  }

  /// Any types through a Swift loop.
  @inline(__always)
  static func map<A, B, Y>(
    _ a: Tensor, _ b: Tensor, _ y: Tensor, _ pool: ThreadPool, _ types: (A.Type, B.Type, Y.Type),
    _ body: (A, B) -> Y
  ) {
    let walk = BroadcastWalk(result: y.shape, [a.shape, b.shape])
    let p = a.pointer(as: A.self)
    let q = b.pointer(as: B.self)
    let target = y.pointer(as: Y.self)
    let (stepA, stepB) = (walk.innerStrides[0], walk.innerStrides[1])
    pool.forRanges(walk.count, grain: Elementwise.grain) { range in
      walk.forEachRun(range) { start, n, offsets in
        let x = p + offsets[0]
        let z = q + offsets[1]
        let out = target + start
        switch (stepA, stepB) {
        case (1, 1): for i in 0..<n { out[i] = body(x[i], z[i]) }
        case (1, _):
          let second = z[0]
          for i in 0..<n { out[i] = body(x[i], second) }
        case (_, 1):
          let first = x[0]
          for i in 0..<n { out[i] = body(first, z[i]) }
        default: out.update(repeating: body(x[0], z[0]), count: n)
        }
      }
    }
  }

  /// Whether an integer tensor holds a 0.
  static func hasZero(_ tensor: Tensor) throws -> Bool {
    struct Search: ArithmeticVisitor {
      let tensor: Tensor
      func visit<T: ArithmeticElement>(_ type: T.Type) -> Bool {
        let values = UnsafeBufferPointer(start: tensor.pointer(as: type), count: tensor.count)
        return values.contains(T.zero)
      }
    }
    return try tensor.dtype.visit(Search(tensor: tensor))
  }
}
