import Foundation

/// How an image becomes an input: `FILE.png:range=-1..1,size=320x320`.
public struct ImageOptions: Sendable {
  enum Layout: String, CaseIterable { case nchw, nhwc }
  enum Order: String, CaseIterable { case rgb, bgr }

  /// What 0 and 255 become; nil for the type's usual: 0 and 1 in floats, 0 and 255 in integers.
  var range: (low: Double, high: Double)?
  /// Subtracted after that, and then divided by, for each channel.
  var mean: [Double] = [0]
  var std: [Double] = [1]
  var width: Int?
  var height: Int?
  var layout: Layout?
  var order = Order.rgb
  var filter = Resampling.bicubic

  static let help =
    "range=LOW..HIGH, mean=R+G+B, std=R+G+B, size=WxH, layout=nchw|nhwc, order=rgb|bgr, "
    + "filter=bicubic|bilinear|lanczos"

  init() {}

  /// - Throws: `UsageError` that names what is wrong.
  init(_ text: String) throws {
    var seen: Set<Substring> = []
    for item in text.split(separator: ",", omittingEmptySubsequences: false) {
      let pair = item.split(separator: "=", maxSplits: 1)
      guard pair.count == 2 else {
        throw UsageError("'\(item)' is no option of an image; there are \(ImageOptions.help)")
      }
      guard seen.insert(pair[0]).inserted else { throw UsageError("the option '\(pair[0])' is given twice") }
      try set(String(pair[0]), String(pair[1]))
    }
  }

  private mutating func set(_ key: String, _ value: String) throws {
    switch key {
    case "range":
      let ends = value.components(separatedBy: "..").map { Double($0) }
      guard ends.count == 2, let low = ends[0], let high = ends[1], low.isFinite, high.isFinite else {
        throw UsageError("range: '\(value)' is not LOW..HIGH")
      }
      range = (low, high)
    case "mean": mean = try channels(key, value)
    case "std":
      std = try channels(key, value)
      guard !std.contains(0) else { throw UsageError("std: '\(value)' has a 0 to divide by") }
    case "size":
      let sides = value.split(separator: "x").map { Int($0) }
      guard sides.count == 2, let width = sides[0], let height = sides[1],
        (1...32_768).contains(width), (1...32_768).contains(height)
      else { throw UsageError("size: '\(value)' is not WIDTHxHEIGHT") }
      (self.width, self.height) = (width, height)
    case "layout": layout = try word(key, value)
    case "order": order = try word(key, value)
    case "filter": filter = try word(key, value)
    default: throw UsageError("an image has no option '\(key)'; there are \(ImageOptions.help)")
    }
  }

  private func channels(_ key: String, _ value: String) throws -> [Double] {
    let numbers = value.split(separator: "+", omittingEmptySubsequences: false).map { Double($0) }
    guard numbers.count == 1 || numbers.count == 3, numbers.allSatisfy({ $0?.isFinite ?? false }) else {
      throw UsageError("\(key): '\(value)' is not one number or three joined by '+'")
    }
    return numbers.map { $0! }
  }

  private func word<T: RawRepresentable & CaseIterable>(
    _ key: String, _ value: String
  ) throws -> T where T.RawValue == String {
    guard let result = T(rawValue: value) else {
      let words = T.allCases.map(\.rawValue).joined(separator: ", ")
      throw UsageError("\(key) is one of \(words), not '\(value)'")
    }
    return result
  }
}
