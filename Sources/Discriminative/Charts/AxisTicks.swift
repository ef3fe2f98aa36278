import Foundation

/// Round numbers along an axis: multiples of 1, 2 or 5 times a power of ten.
struct AxisTicks: Equatable {
  let values: [Double]
  /// Digits behind the point that tell the values apart.
  let digits: Int

  /// The ticks inside a range: as many as fit the wish, two at least where the range is not empty.
  /// - Parameter whole: whether only whole numbers will do, as for counts.
  init(_ range: ClosedRange<Double>, about count: Int, whole: Bool = false) {
    let span = range.upperBound - range.lowerBound
    guard span > 0, span.isFinite, count > 0 else {
      values = [range.lowerBound]
      digits = 0
      return
    }
    let raw = span / Double(count)
    let power = pow(10, floor(log10(raw)))
    var step = [1.0, 2, 5, 10].map { $0 * power }.first { $0 >= raw * 0.999 } ?? 10 * power
    if whole { step = max(step, 1) }
    let first = Int((range.lowerBound / step - 1e-9).rounded(.up))
    let last = Int((range.upperBound / step + 1e-9).rounded(.down))
    values = first <= last ? (first...last).map { Double($0) * step } : [range.lowerBound]
    digits = min(max(0, -Int(floor(log10(step) + 1e-9))), 12)
  }

  func label(_ value: Double) -> String {
    // No "-0".
    String(format: "%.\(digits)f", value == 0 ? 0 : value)
  }
}
