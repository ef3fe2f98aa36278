import Diffusion
import Foundation
import ONNXWire

/// The images of items. A file that items take rectangles from is decoded once and kept; it may be asked from
/// several threads.
public final class ImageSource: @unchecked Sendable {
  private let boundary: FolderBoundary
  /// Bytes of pixels that are kept.
  private let budget: Int
  private let lock = NSLock()
  private var atlases: [String: (image: RGBImage, lastUse: Int)] = [:]
  private var digests: [String: String] = [:]
  private var clock = 0
  /// How many files have been decoded for their rectangles.
  public private(set) var decodedAtlases = 0

  /// - Parameters:
  ///   - folder: what paths are relative to; they may not leave it, by `..` or by links.
  ///   - budget: bytes of decoded files to keep; the longest unused go. The default is 1 GiB.
  /// - Throws: `DataError` when there is no such folder.
  public init(folder: String, budget: Int = 1 << 30) throws {
    boundary = try FolderBoundary(folder)
    self.budget = budget
  }

  /// - Throws: `DataError` that names the file, or the path or rectangle that leads outside.
  public func image(_ reference: ImageReference) throws -> RGBImage {
    let path = try boundary.resolve(reference.path)
    guard let region = reference.region else { return try RGBImage(contentsOf: path) }
    let whole = try atlas(path)
    guard let part = whole.cropped(to: region) else {
      throw DataError(
        "\(reference.path): the rectangle \(region.x),\(region.y),\(region.width),\(region.height) is not inside "
          + "the image of \(whole.width)×\(whole.height)")
    }
    return part
  }

  /// The digest of a file's bytes.
  public func digest(_ reference: ImageReference) throws -> String {
    let path = try boundary.resolve(reference.path)
    return try lock.withLock {
      if let known = digests[path] { return known }
      var hash = SHA256()
      try MappedFile.withBytes(of: path) { hash.update($0) }
      digests[path] = hash.hex
      return digests[path]!
    }
  }

  /// Adds what tells the pixels of an image from all others' to a digest.
  func hash(_ reference: ImageReference, into hash: inout SHA256) throws {
    hash.update(try digest(reference))
    let region = reference.region
    for number in [region?.x, region?.y, region?.width, region?.height] { hash.update(number ?? -1) }
  }

  private func atlas(_ path: String) throws -> RGBImage {
    // Held while decoding: who wants the same file had better wait for it.
    try lock.withLock {
      clock += 1
      if atlases[path] != nil {
        atlases[path]!.lastUse = clock
        return atlases[path]!.image
      }
      let image = try RGBImage(contentsOf: path)
      decodedAtlases += 1
      var bytes = atlases.values.reduce(image.pixels.count) { $0 + $1.image.pixels.count }
      while bytes > budget, let oldest = atlases.min(by: { $0.value.lastUse < $1.value.lastUse }) {
        bytes -= oldest.value.image.pixels.count
        atlases[oldest.key] = nil
      }
      atlases[path] = (image, clock)
      return image
    }
  }
}
