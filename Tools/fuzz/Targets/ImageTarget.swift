import Diffusion
import TensorCore

enum ImageTarget {
  /// Decodes a PNG or JPEG; sizes agree.
  static func read(_ bytes: UnsafeRawBufferPointer) throws {
    let image = try RGBImage(decoding: bytes)
    guard image.pixels.count == image.width * image.height * 3 else {
      throw BrokenPromise("size of the image")
    }
  }
}
