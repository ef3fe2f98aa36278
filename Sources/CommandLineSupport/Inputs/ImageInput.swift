/// An image as the input of a graph.
struct ImageInput {
  let image: RGBImage
  let options: ImageOptions

  /// The image in the shape that the input's type asks for.
  ///
  /// Axes are batch (where there are four), then channels, height and width, or height, width and channels; two axes are
  /// height and width. Channels are the one of their two places that is declared 3 long, or else 1, or else the first.
  /// Three channels are colours, one is Pillow's luminance. Where a side is not known it is `size`'s, or else the image's
  /// own.
  /// - Parameters:
  ///   - type: nil stands for float32 of any shape.
  ///   - declared: the type as the graph has it, before any extent was settled.
  /// - Throws: `DataError` when the type is not one of an image.
  func tensor(_ type: TensorType?, declared: TensorType?) throws -> Tensor {
    let dtype = type?.dtype ?? .float32
    let dims = type?.shape ?? [.unknown, .unknown, .unknown, .unknown]
    guard (2...4).contains(dims.count), dtype != .bool else {
      throw DataError("an image does not fit \(type!): it gives 2, 3 or 4 axes of numbers")
    }
    let first = dims.count - 3
    var isLast = false
    if first >= 0 {
      let places = [first, first + 2].map { (declared?.shape ?? dims)[$0].value }
      let found = places.firstIndex(of: 3) ?? places.firstIndex(of: 1) ?? 0
      isLast = options.layout.map { $0 == .nhwc } ?? (found == 1)
    }
    let spatial = dims.count == 2 ? 0 : isLast ? first : first + 1
    let channels = dims.count == 2 ? 1 : dims[isLast ? first + 2 : first].value ?? 3
    guard channels == 1 || channels == 3 else {
      throw DataError("an image has 1 or 3 channels, the input wants \(channels) (\(type!))")
    }
    if dims.count == 4, let batch = dims[0].value, batch != 1 {
      throw DataError("an image is a batch of 1, the input wants \(batch) (\(type!))")
    }
    let height = try extent("height", dims[spatial].value, options.height, image.height)
    let width = try extent("width", dims[spatial + 1].value, options.width, image.width)
    try Storage.checkFits(height * width * (3 + 8 * channels), "an image of \(width)×\(height)")
    let resized = image.resized(width: width, height: height, filter: options.filter)
    var shape = isLast ? [height, width, channels] : [channels, height, width]
    if dims.count == 2 { shape = [height, width] }
    if dims.count == 4 { shape.insert(1, at: 0) }
    return values(resized, channels, isLast, rounds: dtype.isInteger).reshaped(shape).converted(to: dtype)
  }

  private func extent(_ side: String, _ wanted: Int?, _ asked: Int?, _ own: Int) throws -> Int {
    if let wanted, let asked, wanted != asked {
      throw DataError("size: the input wants a \(side) of \(wanted), not \(asked)")
    }
    let extent = wanted ?? asked ?? own
    guard (1...32_768).contains(extent) else {
      throw DataError("an image of \(side) \(extent) is not possible")
    }
    return extent
  }

  /// - Parameter rounds: whether the values are those of an integer type.
  private func values(_ image: RGBImage, _ channels: Int, _ isLast: Bool, rounds: Bool) -> Tensor {
    let plane = image.width * image.height
    let result = Tensor(.float64, [plane * channels])
    let out = result.pointer(as: Double.self)
    let range = options.range ?? (0, rounds ? 255 : 1)
    let table = (0..<channels).map { channel in
      (0..<256).map { level in
        let value = value(of: level, in: range, channel, channels)
        return rounds ? value.rounded(.toNearestOrEven) : value
      }
    }
    image.pixels.withUnsafeBufferPointer { pixels in
      for i in 0..<plane {
        for channel in 0..<channels {
          let level =
            channels == 1
            ? ImageInput.luminance(pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2])
            : Int(pixels[3 * i + (options.order == .bgr ? 2 - channel : channel)])
          out[isLast ? i * channels + channel : channel * plane + i] = table[channel][level]
        }
      }
    }
    return result
  }

  /// - Parameter channel: in the input's order; `mean` and `std` are in the order red, green, blue.
  private func value(
    of level: Int, in range: (low: Double, high: Double), _ channel: Int, _ channels: Int
  ) -> Double {
    let colour = channels == 3 && options.order == .bgr ? 2 - channel : channel
    let scaled = range.low + (range.high - range.low) * (Double(level) / 255)
    let mean = options.mean[options.mean.count == 1 ? 0 : colour]
    let std = options.std[options.std.count == 1 ? 0 : colour]
    return (scaled - mean) / std
  }

  /// ITU-R 601 luma in 16-bit fixed point, as Pillow's `convert("L")`.
  private static func luminance(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> Int {
    (Int(red) * 19_595 + Int(green) * 38_470 + Int(blue) * 7_471 + 0x8000) >> 16
  }
}
