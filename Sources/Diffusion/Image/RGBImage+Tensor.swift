import TensorCore

extension RGBImage {
  /// The image as a model's input: resized to the model's size and scaled to −1…1.
  ///
  /// - Returns: float32 `[1, 3, height, width]`. Each value is computed in float32 as x / 255, then 2x − 1,
  ///   like torchvision's `ToTensor` followed by the official code's normalisation.
  public func tensor(width: Int, height: Int, filter: Resampling = .bicubic) -> Tensor {
    resized(width: width, height: height, filter: filter).tensor()
  }

  /// The pixels as float32 `[1, 3, height, width]` in −1…1: x / 255, then 2x − 1.
  public func tensor() -> Tensor {
    let result = Tensor(.float32, [1, 3, height, width])
    let plane = width * height
    let out = result.pointer(as: Float.self)
    pixels.withUnsafeBufferPointer { pixels in
      for i in 0..<plane {
        for channel in 0..<3 { out[channel * plane + i] = 2 * (Float(pixels[3 * i + channel]) / 255) - 1 }
      }
    }
    return result
  }

  /// The image of a float32 tensor `[1, 3, height, width]` or `[3, height, width]` in −1…1: x/2 + 1/2,
  /// clipped, times 255 and rounded to nearest even, as diffusers' image processor does.
  /// - Throws: `DataError` when the tensor has another type or shape.
  public init(_ tensor: Tensor) throws {
    let shape = tensor.rank == 4 && tensor.shape[0] == 1 ? Array(tensor.shape.dropFirst()) : tensor.shape
    guard tensor.dtype == .float32, shape.count == 3, shape[0] == 3, shape[1] > 0, shape[2] > 0 else {
      throw DataError("a \(tensor.dtype) tensor \(Shape.text(tensor.shape)) is not one RGB image")
    }
    let plane = shape[1] * shape[2]
    let source = tensor.pointer(as: Float.self)
    var pixels = [UInt8](repeating: 0, count: plane * 3)
    for i in 0..<plane {
      for channel in 0..<3 {
        let value = source[channel * plane + i] / 2 + 0.5
        // NaN becomes 0.
        let clipped = value > 0 ? min(value, 1) : 0
        pixels[3 * i + channel] = UInt8((clipped * 255).rounded(.toNearestOrEven))
      }
    }
    self.init(width: shape[2], height: shape[1], pixels: pixels)
  }
}
