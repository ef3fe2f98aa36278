import CImageCodecs
import TensorCore

/// An 8-bit RGB image.
public struct RGBImage: Sendable, Equatable {
  /// In pixels, like `height`.
  public let width: Int
  public let height: Int
  /// `[height, width, 3]`, row by row from the top.
  public let pixels: [UInt8]

  /// An image of the given pixels, `[height, width, 3]`.
  public init(width: Int, height: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0 && pixels.count == width * height * 3)
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// Reads a PNG or JPEG file, told apart by its first bytes.
  ///
  /// The pixels are those of Pillow's `Image.open(path).convert("RGB")`: alpha is dropped and not
  /// composited, gamma and colour profiles are ignored, 16-bit colour keeps its high byte, 16-bit grey is
  /// clipped to 255, CMYK is taken as Adobe's, an EXIF orientation is not applied.
  /// - Throws: `DataError` that names the file when it cannot be read, is neither PNG nor JPEG, is damaged
  ///   or truncated, or is larger than 32,768 pixels a side or 178,956,970 pixels.
  public init(contentsOf path: String) throws {
    self = try MappedFile.withBytes(of: path) { try RGBImage(decoding: $0) }
  }

  /// The longest side that is read, in pixels.
  public static let maxSide = Int(CIMAGE_MAX_SIDE)

  /// Decodes the bytes of a PNG or JPEG file.
  /// - Parameter maxSide: the longest side in pixels that is decoded.
  /// - Throws: `DataError` with the reason.
  public init(decoding bytes: UnsafeRawBufferPointer, maxSide: Int = RGBImage.maxSide) throws {
    let decode: (UnsafePointer<UInt8>?, Int, UInt32, UnsafeMutablePointer<cimage_result>?) -> Int32
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      decode = cimage_decode_png
    } else if bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      decode = cimage_decode_jpeg
    } else {
      throw DataError(bytes.isEmpty ? "an empty file" : "neither a PNG nor a JPEG image")
    }
    var result = cimage_result()
    let start = bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
    guard decode(start, bytes.count, UInt32(clamping: maxSide), &result) == 1 else {
      throw DataError(text(&result.message))
    }
    defer { cimage_release(&result) }
    let count = Int(result.width) * Int(result.height) * 3
    self.init(
      width: Int(result.width), height: Int(result.height),
      pixels: Array(UnsafeBufferPointer(start: result.pixels, count: count)))
  }

  /// Writes an 8-bit RGB PNG. The file appears whole or not at all: it is written beside `path` and renamed.
  /// - Throws: `DataError` that names the file when it cannot be written.
  public func writePNG(to path: String) throws {
    let reason = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { message -> String? in
      message[0] = 0
      let done = cimage_write_png(
        path, pixels, UInt32(width), UInt32(height), message.baseAddress)
      return done == 1 ? nil : String(cString: message.baseAddress!)
    }
    if let reason { throw DataError("\(path): \(reason)") }
  }
}

/// The C string in a fixed array.
private func text<T>(_ array: inout T) -> String {
  withUnsafeBytes(of: &array) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}
