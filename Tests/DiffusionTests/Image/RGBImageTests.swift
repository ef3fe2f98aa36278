import Foundation
import TensorCore
import Testing

@testable import Diffusion

struct RGBImageTests {
  private func pixels(_ png: SamplePNG) throws -> [UInt8] {
    try png.data.withUnsafeBytes { try RGBImage(decoding: $0).pixels }
  }

  @Test func pngKinds() throws {
    #expect(
      try pixels(SamplePNG(width: 2, height: 1, rows: [0, 1, 2, 3, 4, 5, 6])) == [1, 2, 3, 4, 5, 6])
    // Two bits of grey spread over 0…255, whatever tRNS says.
    let grey = SamplePNG(
      width: 4, height: 1, depth: 2, color: 0, transparency: [0, 1], rows: [0, 0b0001_1011])
    #expect(try pixels(grey) == [0, 0, 0, 85, 85, 85, 170, 170, 170, 255, 255, 255])
    // Alpha is dropped.
    let withAlpha = SamplePNG(width: 1, height: 2, color: 6, rows: [0, 9, 8, 7, 0, 0, 6, 5, 4, 255])
    #expect(try pixels(withAlpha) == [9, 8, 7, 6, 5, 4])
    #expect(try pixels(SamplePNG(width: 1, height: 1, color: 4, rows: [0, 77, 3])) == [77, 77, 77])
    // 16-bit colour keeps the high byte; 16-bit grey is clipped.
    let deep = SamplePNG(width: 1, height: 1, depth: 16, rows: [0, 1, 255, 2, 128, 3, 0])
    #expect(try pixels(deep) == [1, 2, 3])
    let deepGrey = SamplePNG(width: 3, height: 1, depth: 16, color: 0, rows: [0, 0, 200, 1, 0, 0, 7])
    #expect(try pixels(deepGrey) == [200, 200, 200, 255, 255, 255, 7, 7, 7])
    // Palette, with an index past its end.
    let palette = SamplePNG(
      width: 3, height: 1, color: 3, palette: [10, 20, 30, 40, 50, 60], transparency: [0],
      rows: [0, 1, 0, 7])
    #expect(try pixels(palette) == [40, 50, 60, 10, 20, 30, 0, 0, 0])
  }

  @Test(arguments: SampleJPEG.all)
  func jpeg(_ sample: SampleJPEG) throws {
    let image = try sample.data.withUnsafeBytes { try RGBImage(decoding: $0) }
    #expect(image.width == 8 && image.height == 8)
    // Libraries may round differently, by one level.
    func near(_ a: ArraySlice<UInt8>, _ b: [UInt8]) -> Bool {
      zip(a, b).allSatisfy { abs(Int($0) - Int($1)) <= 1 }
    }
    #expect(near(image.pixels.prefix(24), sample.first), "\(sample.name)")
    #expect(near(image.pixels.suffix(24), sample.last), "\(sample.name)")
    #expect(abs(image.pixels.reduce(0) { $0 + Int($1) } - sample.sum) <= 192)
  }

  @Test func writtenPNGsAreReadBack() throws {
    let folder = try TemporaryFolder()
    var random = TorchRandom(seed: 3)
    let pixels = (0..<1221).map { _ in UInt8(random.next(below: 256)) }
    let image = RGBImage(width: 37, height: 11, pixels: pixels)
    let path = folder.path + "/image.png"
    try image.writePNG(to: path)
    #expect(try RGBImage(contentsOf: path) == image)
    let other = RGBImage(width: 1, height: 1, pixels: [1, 2, 3])
    try other.writePNG(to: path)
    #expect(try RGBImage(contentsOf: path) == other)
    #expect(folder.names == ["image.png"])
  }

  @Test func writingWhereNothingCanBeWritten() throws {
    let folder = try TemporaryFolder()
    let image = RGBImage(width: 1, height: 1, pixels: [1, 2, 3])
    let nowhere = folder.path + "/none/image.png"
    #expect(message { try image.writePNG(to: nowhere) } == "\(nowhere): No such file or directory")
    try FileManager.default.createDirectory(
      atPath: folder.path + "/taken", withIntermediateDirectories: true)
    #expect(message { try image.writePNG(to: folder.path + "/taken") }.hasPrefix(folder.path + "/taken: "))
    #expect(folder.names == ["taken"])
  }

  /// What is no regular file is written to; a file in its place would take a device away.
  @Test func devicesStay() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/null.png"
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: "/dev/null")
    try RGBImage(width: 1, height: 1, pixels: [1, 2, 3]).writePNG(to: path)
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path) == "/dev/null")
    #expect(folder.names == ["null.png"])
  }

  @Test func notAnImage() throws {
    let folder = try TemporaryFolder()
    let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    for (name, bytes, reason) in [
      ("empty.png", [], "an empty file"),
      ("text.png", Array("hello".utf8), "neither a PNG nor a JPEG image"),
      ("short.png", [0x89, 0x50], "neither a PNG nor a JPEG image"),
      ("signature.png", signature, "damaged PNG: the file is truncated"),
      ("start.jpg", [0xFF, 0xD8, 0xFF], "damaged JPEG: the file is truncated"),
    ] as [(String, [UInt8], String)] {
      let path = try folder.write(name, Data(bytes))
      #expect(message { try RGBImage(contentsOf: path) } == "\(path): \(reason)")
    }
    let missing = folder.path + "/none.png"
    #expect(message { try RGBImage(contentsOf: missing) } == "\(missing): No such file or directory")
    #expect(message { try RGBImage(contentsOf: folder.path) }.hasPrefix(folder.path + ": "))
  }

  @Test func truncatedFiles() throws {
    let png = SamplePNG(width: 4, height: 9, rows: [UInt8](repeating: 0, count: 117)).data
    // The last 20 bytes are checksums and the end mark, without which all pixels are there.
    for count in 8..<png.count - 20 {
      let text = png.prefix(count).withUnsafeBytes { bytes in message { try RGBImage(decoding: bytes) } }
      #expect(text.hasPrefix("damaged PNG: "))
    }
    for sample in SampleJPEG.all {
      for count in 3..<sample.data.count {
        let part = sample.data.prefix(count)
        let text = part.withUnsafeBytes { bytes in message { try RGBImage(decoding: bytes) } }
        #expect(text.hasPrefix("damaged JPEG: "))
      }
    }
  }

  @Test func headersThatLie() throws {
    func refused(_ data: Data) -> String {
      data.withUnsafeBytes { bytes in message { try RGBImage(decoding: bytes) } }
    }
    func png(_ width: Int, _ height: Int) -> Data {
      SamplePNG(width: width, height: height, rows: [0, 1, 2, 3]).data
    }
    #expect(refused(png(30_000, 5_000)).contains("bytes cannot hold the 30000 × 5000 pixels"))
    #expect(refused(png(0x7FFF_FFFF, 0x7FFF_FFFF)).contains("more than the limit of 32768 a side"))
    #expect(refused(png(0, 1)).hasPrefix("damaged PNG: "))
    var jpeg = SampleJPEG.rgb.data
    let start = jpeg.firstRange(of: Data([0xFF, 0xC0]))!.lowerBound
    func patch(_ width: UInt16, _ height: UInt16) {
      for (place, value) in [(start + 5, height), (start + 7, width)] {
        jpeg[place] = UInt8(value >> 8)
        jpeg[place + 1] = UInt8(value & 0xFF)
      }
    }
    func claim(_ width: UInt16, _ height: UInt16) -> String {
      patch(width, height)
      return refused(jpeg)
    }
    #expect(claim(30_000, 5_000).contains("bytes cannot hold the 30000 × 5000 pixels"))
    #expect(claim(0, 8).hasPrefix("damaged JPEG: "))
    #expect(claim(65_000, 8).contains("limit of 32768 a side"))
    // Blocks that are missing before the end mark are filled up, as Pillow does.
    patch(16, 300)
    #expect(try jpeg.withUnsafeBytes { try RGBImage(decoding: $0) }.height == 300)
  }
}
