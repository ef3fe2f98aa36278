import Foundation

/// The outputs of a run in brief.
public struct OutputSummary: Encodable {
  /// One output. Minimum, mean and maximum are over its finite elements.
  struct Row: Encodable {
    let name: String
    let type: String
    /// Nil for what is no tensor.
    let shape: [Int]?
    let min: Double?
    let mean: Double?
    let max: Double?
    /// How many elements are infinite or not a number.
    let not_finite: Int
    let first: [Double]
  }

  let outputs: [Row]

  private static let shown = 5
  private static let chunk = 1 << 16

  /// A sequence is told by its elements, `name[0]` and so on.
  public init(_ outputs: [(name: String, value: RuntimeValue)]) {
    self.outputs = outputs.flatMap { name, value in
      switch value {
      case .tensor(let tensor): [OutputSummary.row(name, tensor)]
      case .sequence(let tensors) where !tensors.isEmpty:
        tensors.enumerated().map { OutputSummary.row("\(name)[\($0.offset)]", $0.element) }
      case .sequence, .absent:
        [
          Row(
            name: name, type: value.label, shape: nil, min: nil, mean: nil, max: nil, not_finite: 0, first: []
          )
        ]
      }
    }
  }

  public var json: String { get throws { try JSONText.encode(self) } }

  public var table: String {
    let hasOdd = outputs.contains { $0.not_finite > 0 }
    var table = TextTable(
      ["output", "type", "shape", "min", "mean", "max"] + (hasOdd ? ["not finite"] : []) + ["first values"],
      right: hasOdd ? [3, 4, 5, 6] : [3, 4, 5])
    for row in outputs {
      let isBool = row.type == DType.bool.description
      var cells = [row.name, row.type, row.shape.map(Shape.text) ?? "–"]
      cells += [row.min, row.mean, row.max].map { $0.map(OutputSummary.text) ?? "–" }
      if hasOdd { cells.append(row.not_finite == 0 ? "" : String(row.not_finite)) }
      let values = row.first.map { isBool ? String($0 != 0) : OutputSummary.text($0) }
      let isLonger = row.shape.map { Shape.count($0) > values.count } ?? false
      table.rows.append(cells + [values.joined(separator: ", ") + (isLonger ? ", …" : "")])
    }
    return table.text
  }

  private static func row(_ name: String, _ tensor: Tensor) -> Row {
    let flat = tensor.reshaped([tensor.count])
    var (low, high, sum) = (Double.infinity, -Double.infinity, 0.0)
    var finite = 0
    // In parts, because a wide copy of a large output would need much memory.
    for start in stride(from: 0, to: tensor.count, by: chunk) {
      let part = flat.rows(start..<Swift.min(start + chunk, tensor.count)).converted(to: .float64)
      for value in UnsafeBufferPointer(start: part.pointer(as: Double.self), count: part.count)
      where value.isFinite {
        low = Swift.min(low, value)
        high = Swift.max(high, value)
        sum += value
        finite += 1
      }
    }
    let first = flat.rows(0..<Swift.min(shown, tensor.count)).converted(to: .float64)
    return Row(
      name: name, type: tensor.dtype.description, shape: tensor.shape, min: finite > 0 ? low : nil,
      mean: finite > 0 ? sum / Double(finite) : nil, max: finite > 0 ? high : nil,
      not_finite: tensor.count - finite, first: first.array(of: Double.self))
  }

  /// Six digits, whole numbers as such.
  private static func text(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(format: "%.6g", value)
  }
}
