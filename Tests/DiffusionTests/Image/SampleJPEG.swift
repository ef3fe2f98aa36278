import Foundation

/// Small JPEG files of 8 × 8 pixels with the pixels that Pillow 13 reads from them.
struct SampleJPEG: Sendable {
  let name: String
  let base64: String
  /// The first and the last row.
  let first: [UInt8]
  let last: [UInt8]
  /// Of all 192 values.
  let sum: Int

  var data: Data { Data(base64Encoded: base64)! }

  static let rgb = SampleJPEG(
    name: "rgb",
    base64:
      "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywt"
      + "QFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09P"
      + "T09PT09PT09PT09PT09PT09PT0//wAARCAAIAAgDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAT/xAAYEAEA"
      + "AwEAAAAAAAAAAAAAAAAABAUiMf/EABUBAQEAAAAAAAAAAAAAAAAAAAME/8QAGxEAAQQDAAAAAAAAAAAAAAAABAABBSED"
      + "ExT/2gAMAwEAAhEDEQA/AJIFFzACA+SI3PaSMMy87Wv/2Q==",
    first: [
      3, 6, 221, 19, 9, 217, 47, 11, 205, 79, 12, 188, 111, 10, 168, 143, 10, 153, 172, 11, 141, 188, 14,
      138,
    ],
    last: [
      24, 194, 165, 39, 198, 160, 67, 199, 149, 99, 200, 132, 133, 199, 112, 163, 198, 96, 193, 200, 86,
      209, 203, 83,
    ],
    sum: 23059)

  static let grey = SampleJPEG(
    name: "grey",
    base64:
      "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywt"
      + "QFdBRkxOUlNSMj5aYVpQYEpRUk//wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAABP/EABcQAAMBAAAAAAAA"
      + "AAAAAAAAAAAGQ4H/2gAIAQEAAD8AChTw/9k=",
    first: [
      0, 0, 0, 32, 32, 32, 59, 59, 59, 87, 87, 87, 124, 124, 124, 151, 151, 151, 179, 179, 179, 211, 211,
      211,
    ],
    last: [
      0, 0, 0, 32, 32, 32, 59, 59, 59, 87, 87, 87, 124, 124, 124, 151, 151, 151, 179, 179, 179, 211, 211,
      211,
    ],
    sum: 20232)

  static let cmyk = SampleJPEG(
    name: "cmyk",
    base64:
      "/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwANCQoLCggNCwoLDg4NDxMgFRMSEhMnHB4XIC4pMTAuKS0sMzpKPjM2RjcsLUBX"
      + "QUZMTlJTUjI+WmFaUGBKUVJP/8AAFAgACAAIBEMRAE0RAFkRAEsRAP/EABQAAQAAAAAAAAAAAAAAAAAAAAT/xAAdEAAB"
      + "AwUBAAAAAAAAAAAAAAAABQZDFiIyY4Gh/9oADgRDAE0AWQBLAAA/AHP2To6t9voFBRMbBz9k6f/Z",
    first: [
      255, 255, 3, 197, 224, 13, 152, 197, 25, 112, 169, 31, 68, 132, 31, 43, 105, 31, 23, 77, 28, 8, 45,
      18,
    ],
    last: [
      255, 45, 106, 197, 40, 104, 152, 35, 104, 112, 30, 99, 68, 23, 85, 43, 19, 74, 23, 14, 59, 8, 8,
      37,
    ],
    sum: 15945)

  static let all = [rgb, grey, cmyk]
}
