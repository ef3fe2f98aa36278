import TensorCore
import Testing

@testable import Diffusion

struct ResamplingTests {
  static let small = RGBImage(
    width: 3, height: 2,
    pixels: [0, 50, 100, 200, 10, 255, 7, 8, 9, 90, 80, 70, 0, 255, 0, 255, 0, 1])

  /// Pillow 13's results for 4 × 3 and 2 × 1.
  static let expected: [(Resampling, [UInt8], [UInt8])] = [
    (
      .bicubic,
      [
        0, 51, 93, 147, 13, 226, 145, 0, 185, 0, 9, 0, 48, 62, 83, 78, 117, 120, 116, 89, 87, 128, 4, 1,
        101, 72, 73, 8, 220, 14, 86, 183, 0, 255, 0, 1,
      ], [63, 94, 105, 123, 52, 51]
    ),
    (
      .bilinear,
      [
        0, 50, 100, 125, 25, 197, 128, 9, 163, 7, 8, 9, 45, 65, 85, 80, 107, 112, 112, 84, 82, 131, 4, 5,
        90, 80, 70, 34, 189, 26, 96, 159, 0, 255, 0, 1,
      ], [66, 91, 101, 119, 53, 51]
    ),
    (
      .lanczos,
      [
        0, 52, 84, 162, 3, 249, 155, 0, 197, 0, 10, 0, 51, 58, 79, 73, 123, 127, 121, 89, 88, 128, 5, 2,
        115, 63, 74, 0, 242, 5, 86, 195, 0, 255, 0, 3,
      ], [62, 98, 109, 124, 54, 53]
    ),
  ]

  @Test(arguments: expected)
  func equalsPillow(_ filter: Resampling, _ larger: [UInt8], _ smaller: [UInt8]) {
    let up = ResamplingTests.small.resized(width: 4, height: 3, filter: filter)
    #expect(up == RGBImage(width: 4, height: 3, pixels: larger))
    let down = ResamplingTests.small.resized(width: 2, height: 1, filter: filter)
    #expect(down == RGBImage(width: 2, height: 1, pixels: smaller))
  }

  private func noise(_ width: Int, _ height: Int, _ random: inout TorchRandom) -> RGBImage {
    RGBImage(
      width: width, height: height,
      pixels: (0..<width * height * 3).map { _ in UInt8(random.next(below: 256)) })
  }

  private func mirrored(_ image: RGBImage) -> RGBImage {
    var pixels: [UInt8] = []
    for y in 0..<image.height {
      for x in (0..<image.width).reversed() {
        let start = (y * image.width + x) * 3
        pixels += image.pixels[start..<start + 3]
      }
    }
    return RGBImage(width: image.width, height: image.height, pixels: pixels)
  }

  @Test(arguments: Resampling.allCases)
  func properties(_ filter: Resampling) {
    var random = TorchRandom(seed: 1)
    for _ in 0..<30 {
      let (w, h) = (1 + random.next(below: 40), 1 + random.next(below: 40))
      let (newW, newH) = (1 + random.next(below: 60), 1 + random.next(below: 60))
      let image = noise(w, h, &random)
      #expect(image.resized(width: w, height: h, filter: filter) == image)
      let resized = image.resized(width: newW, height: newH, filter: filter)
      #expect(resized.width == newW && resized.height == newH)
      // Mirroring and resizing commute, up to the rounding of weights.
      let other = mirrored(mirrored(image).resized(width: newW, height: newH, filter: filter))
      #expect(zip(resized.pixels, other.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
      let flat = RGBImage(width: w, height: h, pixels: [UInt8](repeating: 137, count: w * h * 3))
      #expect(flat.resized(width: newW, height: newH, filter: filter).pixels.allSatisfy { $0 == 137 })
      // The order of passes matters only to images that lose height.
      let up = image.resized(width: w + 5, height: h + 5, filter: filter)
      #expect(up == image.resized(width: w + 5, height: h + 5, filter: filter, order: .horizontalFirst))
    }
  }

  @Test(arguments: Resampling.allCases)
  func weightsSumToOne(_ filter: Resampling) {
    for (input, output) in [(1, 1), (7, 3), (3, 7), (640, 512), (512, 640), (5000, 3)] {
      let table = ResamplingWeights(input: input, output: output, filter: filter)
      for place in 0..<output {
        let row = table.weights[place * table.slots..<(place + 1) * table.slots]
        let sum = row.reduce(0) { $0 + Int($1) }
        #expect(abs(sum - 1 << 22) <= table.counts[place])
        #expect(table.starts[place] >= 0 && table.starts[place] + table.counts[place] <= input)
        #expect(table.counts[place] <= table.slots)
      }
    }
  }
}
