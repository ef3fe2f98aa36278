import Diffusion

/// Where an item's image is: a file, or a rectangle of one, written `FILE` or `FILE#xywh=x,y,width,height` (a
/// W3C media fragment, in pixels).
public struct ImageReference: Sendable, Hashable, CustomStringConvertible {
  /// Relative to the folder of images.
  public let path: String
  /// Nil for the whole image.
  public let region: RGBImage.Region?

  private static let mark = "#xywh="

  /// The text that `init` takes.
  public var description: String {
    guard let region else { return path }
    return "\(path)\(ImageReference.mark)\(region.x),\(region.y),\(region.width),\(region.height)"
  }

  /// - Throws: `DataError` without a place when the fragment is malformed. A `#` that no `xywh=` follows is part
  ///   of the file's name.
  public init(_ text: String) throws {
    guard let hash = text.lastIndex(of: "#"), text[hash...].hasPrefix(ImageReference.mark) else {
      path = text
      region = nil
      return
    }
    path = String(text[..<hash])
    var numbers = text[text.index(hash, offsetBy: ImageReference.mark.count)...]
    if numbers.hasPrefix("pixel:") { numbers = numbers.dropFirst("pixel:".count) }
    let parts = numbers.split(separator: ",", omittingEmptySubsequences: false)
    let values = parts.compactMap { part in
      part.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(part) : nil
    }
    guard parts.count == 4, values.count == 4, values[2] > 0, values[3] > 0 else {
      throw DataError("'\(text[hash...])' is not #xywh=x,y,width,height in pixels")
    }
    region = RGBImage.Region(x: values[0], y: values[1], width: values[2], height: values[3])
  }
}
