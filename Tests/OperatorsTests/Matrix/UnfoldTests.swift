import CKernels
import TestSupport
import Testing

@Suite struct UnfoldTests {
  @Test(
    "Taps meet what the definition says",
    arguments: [
      [4, 4, 3, 3, 1, 1, 1, 1], [6, 8, 5, 3, 1, 2, 2, 2], [12, 12, 1, 5, 1, 1, 0, 2],
      [8, 4, 3, 1, 2, 1, 2, 0],
    ])
  func definition(_ e: [Int]) {
    let (height, width, kernelHeight, kernelWidth) = (e[0], e[1], e[2], e[3])
    let channels = 3
    var random = Seeded(1)
    let x = random.tensor([channels, height, width]).array(of: Float.self)
    var window = ck_window(
      height: height, width: width, kernel_height: kernelHeight, kernel_width: kernelWidth,
      dilation_height: e[4],
      dilation_width: e[5], padding_height: e[6], padding_width: e[7])
    for (first, rows) in [(0, height), (1, height - 2)] {
      let count = rows * width
      let stride = count + 5
      var out = [Float](repeating: .nan, count: channels * kernelHeight * kernelWidth * stride)
      var border = [Float](repeating: .nan, count: ck_unfold_border(&window, rows) + 1)
      ck_unfold(x, channels, &window, first, rows, &border, &out, stride)
      #expect(border.last!.isNaN)
      for channel in 0..<channels {
        for p in 0..<kernelHeight {
          for q in 0..<kernelWidth {
            let line = ((channel * kernelHeight + p) * kernelWidth + q) * stride
            for i in 0..<count {
              let (row, column) = (first + i / width + p * e[4] - e[6], i % width + q * e[5] - e[7])
              let isInside = (0..<height).contains(row) && (0..<width).contains(column)
              let expected = isInside ? x[(channel * height + row) * width + column] : 0
              #expect(out[line + i] == expected)
            }
            // What is between lines is not touched.
            #expect(!out[(line + count)..<(line + stride)].contains { !$0.isNaN })
          }
        }
      }
    }
  }
}
