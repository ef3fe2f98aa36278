extension RGBImage {
  /// A rectangle of an image, in pixels from its top left corner.
  public struct Region: Sendable, Hashable {
    public let x, y, width, height: Int

    public init(x: Int, y: Int, width: Int, height: Int) {
      self.x = x
      self.y = y
      self.width = width
      self.height = height
    }
  }

  /// The part of the image in a rectangle, or nil when that is empty or not wholly inside.
  public func cropped(to region: Region) -> RGBImage? {
    guard region.x >= 0, region.y >= 0, region.width > 0, region.height > 0,
      region.width <= width, region.height <= height,
      region.x <= width - region.width, region.y <= height - region.height
    else { return nil }
    var result: [UInt8] = []
    result.reserveCapacity(region.width * region.height * 3)
    for row in region.y..<region.y + region.height {
      let start = (row * width + region.x) * 3
      result += pixels[start..<start + region.width * 3]
    }
    return RGBImage(width: region.width, height: region.height, pixels: result)
  }
}
