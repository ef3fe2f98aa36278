import Discriminative
import Foundation
import TestSupport
import Testing

@Suite struct ImageSourceTests {
  /// An image whose pixels tell their place.
  private func atlas(_ path: String, width: Int = 40, height: Int = 30) throws -> RGBImage {
    var pixels: [UInt8] = []
    for y in 0..<height { for x in 0..<width { pixels += [UInt8(x), UInt8(y), 7] } }
    let image = RGBImage(width: width, height: height, pixels: pixels)
    try image.writePNG(to: path)
    return image
  }

  @Test func rectangles() throws {
    let folder = try Fixtures.scratch()
    let whole = try atlas("\(folder)/a.png")
    let source = try ImageSource(folder: folder)
    let part = try source.image(ImageReference("a.png#xywh=5,6,3,2"))
    #expect(part.width == 3 && part.height == 2)
    #expect(part.pixels == [5, 6, 7, 6, 6, 7, 7, 6, 7, 5, 7, 7, 6, 7, 7, 7, 7, 7])
    #expect(try source.image(ImageReference("a.png#xywh=pixel:0,0,40,30")) == whole)
    #expect(try source.image(ImageReference("a.png")) == whole)
    #expect(source.decodedAtlases == 1)
  }

  @Test(arguments: ["0,0,41,1", "40,0,1,1", "39,29,1,2", "9223372036854775807,0,1,1"])
  func outside(_ rectangle: String) throws {
    let folder = try Fixtures.scratch()
    _ = try atlas("\(folder)/a.png")
    let source = try ImageSource(folder: folder)
    let error = #expect(throws: DataError.self) {
      _ = try source.image(ImageReference("a.png#xywh=\(rectangle)"))
    }
    #expect(error?.message == "a.png: the rectangle \(rectangle) is not inside the image of 40×30")
  }

  @Test func paths() throws {
    let folder = try Fixtures.scratch()
    try FileManager.default.createDirectory(atPath: "\(folder)/in", withIntermediateDirectories: true)
    _ = try atlas("\(folder)/out.png")
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder)/in/link.png", withDestinationPath: "\(folder)/out.png")
    let source = try ImageSource(folder: "\(folder)/in")
    for path in ["../out.png", "\(folder)/out.png", "link.png"] {
      #expect(throws: DataError.self) { _ = try source.image(ImageReference(path)) }
      #expect(throws: DataError.self) { _ = try source.digest(ImageReference(path)) }
    }
    #expect(throws: DataError("\(folder)/in/none.png: No such file or directory")) {
      _ = try source.image(ImageReference("none.png"))
    }
    try Data("no image".utf8).write(to: URL(fileURLWithPath: "\(folder)/in/bad.png"))
    #expect(throws: DataError("\(folder)/in/bad.png: neither a PNG nor a JPEG image")) {
      _ = try source.image(ImageReference("bad.png#xywh=0,0,1,1"))
    }
  }

  /// Past the budget files are decoded again, with the same result.
  @Test func budget() throws {
    let folder = try Fixtures.scratch()
    let a = try atlas("\(folder)/a.png")
    _ = try atlas("\(folder)/b.png", width: 10)
    let source = try ImageSource(folder: folder, budget: a.pixels.count)
    for name in ["a", "a", "b", "a"] {
      #expect(try source.image(ImageReference("\(name).png#xywh=2,3,1,1")).pixels == [2, 3, 7])
    }
    #expect(source.decodedAtlases == 3)
  }

  @Test func digests() throws {
    let folder = try Fixtures.scratch()
    _ = try atlas("\(folder)/a.png")
    try FileManager.default.copyItem(atPath: "\(folder)/a.png", toPath: "\(folder)/b.png")
    _ = try atlas("\(folder)/c.png", width: 41)
    let source = try ImageSource(folder: folder)
    let digests = try ["a.png", "b.png#xywh=0,0,1,1", "c.png"].map { try source.digest(ImageReference($0)) }
    #expect(digests[0] == digests[1] && digests[0] != digests[2])
  }
}
