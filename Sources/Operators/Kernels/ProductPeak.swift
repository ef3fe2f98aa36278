import Foundation
import GraphIR

/// What this machine makes of matrix products: the measure of all that is told in floating-point operations a second.
public enum ProductPeak {
  /// Floating-point operations a second of a product of float32 that fits the caches, the best of some; a few hundredths
  /// of a second.
  public static func measure(_ pool: ThreadPool, _ precision: ProductPrecision = .float32) -> Double {
    let extent = 768
    let tensors = (0..<3).map { _ in Tensor.zeros(.float32, [extent, extent]) }
    let pointers = tensors.map { $0.pointer(as: Float.self) }
    let product = MatrixProduct(
      m: extent, n: extent, k: extent, a: MatrixOperand(UnsafePointer(pointers[0]), stride: extent),
      b: MatrixOperand(UnsafePointer(pointers[1]), stride: extent), c: pointers[2], strideC: extent)
    let room = Storage(
      byteCount: MatrixProduct<Float>.byteCount(extent, extent, extent, threads: pool.threadCount, precision))
    let context = RunContext(pool: pool, workspace: .init(start: room.base, count: room.byteCount))
    var best = Duration.seconds(60)
    for _ in 0..<6 {
      best = min(best, ContinuousClock().measure { product.run(context, precision) })
    }
    withExtendedLifetime((tensors, room)) {}
    let seconds = Double(best.components.attoseconds) * 1e-18 + Double(best.components.seconds)
    return 2 * Double(extent * extent * extent) / seconds
  }
}
