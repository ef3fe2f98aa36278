import Diffusion
import GraphIR

/// The noise of a matching job, drawn as torch draws it: first that of the timesteps, then that of the posteriors.
struct MatchingNoise {
  /// `[timesteps, channels, height, width]`
  let levels: Tensor
  /// What draws the posteriors' noise, after the timesteps' own.
  private let generator: TorchGenerator
  private let latentShape: [Int]

  /// - Throws: `DataError` for given noise of another shape.
  init(_ options: MatchingOptions, _ description: PipelineDescription, timesteps: Int) throws {
    let size = description.imageSize / description.latentDownscale
    latentShape = [description.latentChannels, size, size]
    let shape = [timesteps] + latentShape
    var generator = TorchGenerator(seed: options.seed)
    let drawn = generator.randn(shape)
    self.generator = generator
    guard let given = options.noise else {
      levels = drawn
      return
    }
    guard given.dtype.isFloat, given.shape == shape else {
      throw DataError(
        "--noise: is \(given.dtype)\(Shape.text(given.shape)), this job needs float32\(Shape.text(shape))")
    }
    levels = given.converted(to: .float32)
  }

  /// The noise of the posteriors of `images` images, `[images, channels, height, width]`.
  func posteriors(images: Int) -> Tensor {
    var generator = generator
    return generator.randn([images] + latentShape)
  }

  /// A digest, 32 hexadecimal digits, for each row of noise.
  static func digests(_ noise: Tensor) -> [String] {
    let bytes = UnsafeRawBufferPointer(start: noise.pointer, count: noise.byteCount)
    let count = noise.shape[0]
    let row = count == 0 ? 0 : bytes.count / count
    return withExtendedLifetime(noise) {
      (0..<count).map { place in
        var hash = SHA256()
        hash.update(UnsafeRawBufferPointer(rebasing: bytes[place * row..<(place + 1) * row]))
        return String(hash.hex.prefix(32))
      }
    }
  }
}
