extension RGBImage {
  /// The image at another size, equal to Pillow's `image.resize((width, height), filter)`: one pass along
  /// each axis that changes, in fixed point and rounded to 8 bits.
  ///
  /// The horizontal pass goes first, except that Pillow 13 and later begin with the vertical one when the
  /// height loses more than twice the pixels that the width loses; `order` picks between the two habits.
  ///
  /// The aspect ratio is not kept. Cost: O((old height + new height) · new width · filter width).
  public func resized(
    width: Int, height: Int, filter: Resampling, order: PassOrder = .pillow13
  ) -> RGBImage {
    precondition(width > 0 && height > 0)
    let lost = self.height - height
    let verticalFirst = order == .pillow13 && lost > 0 && lost > 2 * (self.width - width)
    var result = self
    if verticalFirst { result = result.resizedVertically(to: height, filter) }
    if width != self.width { result = result.resizedHorizontally(to: width, filter) }
    if height != result.height { result = result.resizedVertically(to: height, filter) }
    return result
  }

  /// Which pass comes first when both axes change.
  public enum PassOrder: Sendable {
    /// Vertical first for images that lose height above all, as Pillow does since version 13.
    case pillow13
    /// Horizontal first, as Pillow did up to version 12.
    case horizontalFirst
  }

  private func resizedHorizontally(to newWidth: Int, _ filter: Resampling) -> RGBImage {
    let table = ResamplingWeights(input: width, output: newWidth, filter: filter)
    let pixels = resampled(table, count: newWidth * height * 3) { source, target, weights in
      for y in 0..<height {
        let row = source + y * width * 3
        let out = target + y * newWidth * 3
        for x in 0..<newWidth {
          let k = weights + x * table.slots
          let first = row + table.starts[x] * 3
          var (red, green, blue) = (half, half, half)
          for i in 0..<table.counts[x] {
            red &+= Int32(first[3 * i]) &* k[i]
            green &+= Int32(first[3 * i + 1]) &* k[i]
            blue &+= Int32(first[3 * i + 2]) &* k[i]
          }
          out[3 * x] = clipped(red)
          out[3 * x + 1] = clipped(green)
          out[3 * x + 2] = clipped(blue)
        }
      }
    }
    return RGBImage(width: newWidth, height: height, pixels: pixels)
  }

  private func resizedVertically(to newHeight: Int, _ filter: Resampling) -> RGBImage {
    let table = ResamplingWeights(input: height, output: newHeight, filter: filter)
    let stride = width * 3
    let pixels = resampled(table, count: stride * newHeight) { source, target, weights in
      var sums = [Int32](repeating: 0, count: stride)
      sums.withUnsafeMutableBufferPointer { sums in
        for y in 0..<newHeight {
          sums.update(repeating: half)
          for i in 0..<table.counts[y] {
            let row = source + (table.starts[y] + i) * stride
            let k = weights[y * table.slots + i]
            for x in 0..<stride { sums[x] &+= Int32(row[x]) &* k }
          }
          let out = target + y * stride
          for x in 0..<stride { out[x] = clipped(sums[x]) }
        }
      }
    }
    return RGBImage(width: width, height: newHeight, pixels: pixels)
  }

  /// Calls `body` with the source pixels, room for `count` bytes and the weights.
  private func resampled(
    _ table: ResamplingWeights, count: Int,
    _ body: (UnsafePointer<UInt8>, UnsafeMutablePointer<UInt8>, UnsafePointer<Int32>) -> Void
  ) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { target, initialized in
      pixels.withUnsafeBufferPointer { source in
        table.weights.withUnsafeBufferPointer { weights in
          body(source.baseAddress!, target.baseAddress!, weights.baseAddress!)
        }
      }
      initialized = count
    }
  }
}

/// Half a unit in fixed point: what rounding starts from.
private let half: Int32 = 1 << (ResamplingWeights.fractionBits - 1)

/// Fixed point to 8 bits.
@inline(__always)
private func clipped(_ sum: Int32) -> UInt8 {
  UInt8(truncatingIfNeeded: min(max(sum >> ResamplingWeights.fractionBits, 0), 255))
}
