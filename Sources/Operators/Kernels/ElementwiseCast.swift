import CKernels
import GraphIR

/// Copies elements into a tensor of another type.
enum CastKernel {
  static func run(_ x: Tensor, _ y: Tensor, _ form: CastForm = CastForm(), _ pool: ThreadPool) throws {
    if x.dtype == y.dtype { return y.assign(x) }
    if let small = SmallFloat(y.dtype) { return round(x, y, small, form, pool) }
    if x.dtype == .float32, y.dtype.isFloat || y.dtype.isInteger, !y.dtype.isHalf, y.dtype.bits >= 8 {
      return try y.dtype.visit(FromFloat(x: x, y: y, pool: pool))
    }
    let from = x.pointer
    let to = y.pointer
    pool.forRanges(x.count, grain: Elementwise.grain) { range in
      let n = range.count
      let source = from + range.lowerBound * x.dtype.size
      let target = to + range.lowerBound * y.dtype.size
      func bits(_ pointer: UnsafeMutableRawPointer) -> UnsafeMutablePointer<UInt16> {
        pointer.assumingMemoryBound(to: UInt16.self)
      }
      func floats(_ pointer: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Float> {
        pointer.assumingMemoryBound(to: Float.self)
      }
      switch (x.dtype, y.dtype) {
      case (.float16, .float32): ck_f16_to_f32(bits(source), floats(target), n)
      case (.bfloat16, .float32): ck_bf16_to_f32(bits(source), floats(target), n)
      case (.float32, .float16): ck_f32_to_f16(floats(source), bits(target), n)
      case (.float32, .bfloat16): ck_f32_to_bf16(floats(source), bits(target), n)
      default:
        let piece = x.reshaped([x.count, 1]).rows(range).converted(to: y.dtype)
        target.copyMemory(from: piece.pointer, byteCount: piece.byteCount)
      }
    }
  }

  private static func round(
    _ x: Tensor, _ y: Tensor, _ small: SmallFloat, _ form: CastForm, _ pool: ThreadPool
  ) {
    pool.forRanges(x.count, grain: Elementwise.grain) { range in
      let values = x.reshaped([x.count, 1]).rows(range).converted(to: .float64).array(of: Double.self)
      let codes = y.pointer(as: UInt8.self) + range.lowerBound
      for i in 0..<range.count {
        codes[i] = small.code(values[i], saturating: form.saturates, rounding: form.rounding)
      }
    }
  }

  private struct FromFloat: ArithmeticVisitor {
    let x: Tensor
    let y: Tensor
    let pool: ThreadPool

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      UnaryKernel.map(x, y, pool, from: Float.self, to: type) { T(rounding: Double($0)) }
    }
  }
}
