import GraphIR

/// The largest pixel in each cell of regions of images `[N, C, H, W]`. `rois` `[regions, 5]` are image, left, top, right and
/// bottom, rounded to whole pixels and both ends included; the result is `[regions, C, pooled_shape]`, 0 in empty cells.
struct MaxRoiPool: Operator {
  static let schema = Schema(
    "MaxRoiPool", since: 22, inputs: ["X: T", "rois: T"], outputs: ["Y: T"], types: ["T": .floats],
    attributes: ["pooled_shape": .none, "spatial_scale": .float(1)])
  let pooled: [Int]
  let scale: Double

  init(_ attributes: Attributes) throws {
    pooled = try attributes.required("pooled_shape", attributes.ints("pooled_shape"))
    scale = Double(try attributes.float("spatial_scale") ?? 1)
    guard pooled.count == 2, pooled.allSatisfy({ (1...1 << 20).contains($0) }) else {
      throw DataError("pooled_shape is \(pooled)")
    }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let (x, rois) = (try inputs.type(0), try inputs.type(1))
    guard x.rank ?? 4 == 4, rois.rank ?? 2 == 2, rois.shape?[1].agrees(with: 5) ?? true else {
      throw DataError("X is \(x) and rois are \(rois), not [N, C, H, W] and [regions, 5]")
    }
    let shape = [rois.shape?[0] ?? .unknown, x.shape?[1] ?? .unknown] + pooled.map { .known($0) }
    return [try Movement.limited(x.dtype, shape)]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let rois = inputs[1], let y = outputs[0], y.count > 0 else { return }
    let numbers = rois.doubles()
    // Images have fewer pixels than this on a side; beyond it a region only reaches out farther.
    func whole(_ value: Double) -> Int { Int(min(max((value * scale).rounded(), -1e9), 1e9)) }
    for region in 0..<y.shape[0] {
      let roi = numbers[region * 5..<region * 5 + 5].map { $0 }
      guard roi.allSatisfy(\.isFinite), roi[0] >= 0, roi[0] < Double(x.shape[0]) else {
        throw DataError("region \(roi) is not in one of \(x.shape[0]) images")
      }
      let start = [whole(roi[2]), whole(roi[1])]
      let end = [whole(roi[4]), whole(roi[3])]
      let cells = (0..<2).map { axis in
        (0..<pooled[axis]).map { cell -> Range<Int> in
          let size = Double(max(end[axis] - start[axis] + 1, 1)) / Double(pooled[axis])
          func clamp(_ value: Int) -> Int { min(max(value, 0), x.shape[axis + 2]) }
          let first = clamp(start[axis] + Int((Double(cell) * size).rounded(.down)))
          return first..<max(first, clamp(start[axis] + Int((Double(cell + 1) * size).rounded(.up))))
        }
      }
      try x.dtype.visit(Run(x: x, y: y, image: Int(roi[0]), region: region, cells: cells))
    }
  }

  private struct Run: ArithmeticVisitor {
    let x, y: Tensor
    let image, region: Int
    let cells: [[Range<Int>]]

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      let (channels, height, width) = (x.shape[1], x.shape[2], x.shape[3])
      var target = y.pointer(as: type) + region * channels * cells[0].count * cells[1].count
      for channel in 0..<channels {
        let plane = x.pointer(as: type) + (image * channels + channel) * height * width
        for rows in cells[0] {
          for columns in cells[1] {
            var best: T?
            for row in rows {
              for column in columns {
                best = best.map { T.greatest($0, plane[row * width + column]) } ?? plane[row * width + column]
              }
            }
            target[0] = best ?? .zero
            target += 1
          }
        }
      }
    }
  }
}
