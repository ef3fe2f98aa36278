import Diffusion
import Foundation
import ONNXWire
import TensorCore
import TestSupport
import Testing

/// Pixels that Pillow gives, written by `Tools/reference/make_leaf_cases.py`.
@Suite struct ImageFixtureTests {
  private struct Case: Decodable {
    let name, filter, mode: String
    let to: [Int]
  }

  @Test func decodedFiles() throws {
    let file = try SafetensorsFile(path: Fixtures.path("images/decoded.safetensors"))
    #expect(file.keys.count > 40)
    for name in file.keys {
      let expected = try file.tensor(name)
      let image = try RGBImage(contentsOf: Fixtures.path("images/\(name)"))
      #expect([image.height, image.width, 3] == expected.shape, "\(name)")
      #expect(image.pixels == expected.array(of: UInt8.self), "\(name)")
    }
  }

  @Test func resized() throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: Fixtures.path("images/resize.json")))
    let cases = try JSONDecoder().decode([Case].self, from: data)
    let file = try SafetensorsFile(path: Fixtures.path("images/resize.safetensors"))
    #expect(cases.count == 36)
    var exact = 0
    for resize in cases {
      let source = try file.tensor("\(resize.name).in")
      let expected = try rgb(file.tensor("\(resize.name).out"), resize.mode)
      let image = RGBImage(
        width: source.shape[1], height: source.shape[0], pixels: rgb(source, resize.mode))
      let filter = try #require(Resampling(rawValue: resize.filter))
      let actual = image.resized(width: resize.to[1], height: resize.to[0], filter: filter).pixels
      #expect(actual.count == expected.count)
      let worst = zip(actual, expected).map { abs(Int($0) - Int($1)) }.max()!
      #expect(worst <= 1, "\(resize)")
      exact += worst == 0 ? 1 : 0
    }
    #expect(exact == cases.count, "\(exact) of \(cases.count) are equal")
  }

  /// Grey images are compared in three equal channels.
  private func rgb(_ tensor: Tensor, _ mode: String) -> [UInt8] {
    let pixels = tensor.array(of: UInt8.self)
    return mode == "L" ? pixels.flatMap { [$0, $0, $0] } : pixels
  }
}
