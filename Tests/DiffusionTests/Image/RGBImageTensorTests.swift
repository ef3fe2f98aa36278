import TensorCore
import Testing

@testable import Diffusion

struct RGBImageTensorTests {
  @Test func pixelsBecomePlanes() {
    let image = RGBImage(width: 2, height: 1, pixels: [0, 51, 255, 128, 1, 254])
    let tensor = image.tensor()
    #expect(tensor.dtype == .float32 && tensor.shape == [1, 3, 1, 2])
    let scaled = [0, 128, 51, 1, 255, 254].map { (x: Float) in 2 * (x / 255) - 1 }
    #expect(tensor.array(of: Float.self) == scaled)
    #expect(scaled[0] == -1 && scaled[4] == 1)
  }

  @Test func resizesToTheModelsSize() {
    let image = RGBImage(width: 3, height: 2, pixels: ResamplingTests.small.pixels)
    let tensor = image.tensor(width: 8, height: 16)
    #expect(tensor.shape == [1, 3, 16, 8])
    let plain = image.resized(width: 8, height: 16, filter: .bicubic).tensor()
    #expect(tensor.isIdentical(to: plain))
  }

  @Test func everyPixelSurvivesTheWayBack() throws {
    let image = RGBImage(width: 16, height: 16, pixels: (0..<768).map { UInt8($0 % 256) })
    #expect(try RGBImage(image.tensor()) == image)
    #expect(try RGBImage(image.tensor().reshaped([3, 16, 16])) == image)
    let extremes = Tensor([-9, 9, .nan] as [Float], shape: [3, 1, 1])
    #expect(try RGBImage(extremes).pixels == [0, 255, 0])
    #expect(
      message { try RGBImage(Tensor.zeros(.float32, [2, 3, 4, 4])) }
        == "a float32 tensor [2, 3, 4, 4] is not one RGB image")
  }
}
