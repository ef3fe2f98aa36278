import CKernels
import GraphIR

/// Copies elements into a tensor of another type.
enum CastKernel {
  static func run(_ x: Tensor, _ y: Tensor, _ pool: ThreadPool) throws {
    if x.dtype == y.dtype { return y.assign(x) }
    let from = x.pointer
    let to = y.pointer
    pool.forRanges(x.count, grain: Elementwise.grain) { range in
      let n = range.count
      let source = from + range.lowerBound * x.dtype.size
      let target = to + range.lowerBound * y.dtype.size
      switch (x.dtype, y.dtype) {
      case (.float16, .float32):
        ck_f16_to_f32(source.assumingMemoryBound(to: UInt16.self), target.assumingMemoryBound(to: Float.self), n)
      case (.bfloat16, .float32):
        ck_bf16_to_f32(source.assumingMemoryBound(to: UInt16.self), target.assumingMemoryBound(to: Float.self), n)
      case (.float32, .float16):
        ck_f32_to_f16(source.assumingMemoryBound(to: Float.self), target.assumingMemoryBound(to: UInt16.self), n)
      case (.float32, .bfloat16):
        ck_f32_to_bf16(source.assumingMemoryBound(to: Float.self), target.assumingMemoryBound(to: UInt16.self), n)
      default:
        let piece = x.reshaped([x.count, 1]).rows(range).converted(to: y.dtype)
        target.copyMemory(from: piece.pointer, byteCount: piece.byteCount)
      }
    }
  }
}
