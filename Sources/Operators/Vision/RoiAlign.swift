import GraphIR

/// Regions of images `[N, C, H, W]` pooled to one size: each cell is the mean (or largest) of samples on a grid inside it.
/// `rois` `[regions, 4]` are left, top, right and bottom; the result is `[regions, C, output_height, output_width]`.
/// As ONNX Runtime, mode `max` looks at the weighted neighbours of each sample, not at their sum.
struct RoiAlign: Operator {
  static let schema = Schema(
    "RoiAlign", since: 22, inputs: ["X: T1", "rois: T1", "batch_indices: T2"], outputs: ["Y: T1"],
    types: ["T1": .floats, "T2": [.int64]],
    attributes: [
      "coordinate_transformation_mode": .none, "mode": .string("avg"), "output_height": .int(1),
      "output_width": .int(1), "sampling_ratio": .int(0), "spatial_scale": .float(1),
    ])
  let halfPixel: Bool
  let takesLargest: Bool
  let height: Int
  let width: Int
  let ratio: Int
  let scale: Double

  init(_ attributes: Attributes) throws {
    let coordinates =
      try attributes.string("coordinate_transformation_mode")
      ?? (attributes.opset < 16 ? "output_half_pixel" : "half_pixel")
    guard coordinates == "half_pixel" || coordinates == "output_half_pixel" else {
      throw DataError("coordinate_transformation_mode '\(coordinates)' is not known")
    }
    halfPixel = coordinates == "half_pixel"
    let mode = try attributes.string("mode") ?? "avg"
    guard mode == "avg" || mode == "max" else { throw DataError("mode '\(mode)' is not avg or max") }
    takesLargest = mode == "max"
    height = try attributes.int("output_height") ?? 1
    width = try attributes.int("output_width") ?? 1
    ratio = try attributes.int("sampling_ratio") ?? 0
    scale = Double(try attributes.float("spatial_scale") ?? 1)
    guard (0...1 << 20).contains(height), (0...1 << 20).contains(width), (0...1 << 10).contains(ratio) else {
      throw DataError("an output of \(height) × \(width) with sampling_ratio \(ratio) is out of range")
    }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let x = try inputs.type(0)
    var (regions, channels) = (Dim.unknown, Dim.unknown)
    if let shape = x.shape {
      guard shape.count == 4 else { throw DataError("X is \(x), not [N, C, H, W]") }
      channels = shape[1]
    }
    if let rois = try inputs.shape(1) {
      guard rois.count == 2, rois[1].agrees(with: 4) else {
        throw DataError("rois are \(try inputs.type(1)), not [regions, 4]")
      }
      regions = rois[0]
    }
    if let batch = try inputs.shape(2), batch.count != 1 || !batch[0].agrees(with: regions) {
      throw DataError("batch_indices are \(try inputs.type(2)), one is needed for each of \(regions) regions")
    }
    return [try Movement.limited(x.dtype, [regions, channels, .known(height), .known(width)])]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let rois = inputs[1], let batch = inputs[2], let y = outputs[0] else { return }
    if y.count == 0 { return }
    guard x.count > 0 else { throw DataError("the images have no pixels") }
    let images = try batch.integers()
    for image in images where image < 0 || image >= x.shape[0] {
      throw DataError("batch index \(image) is out of range for \(x.shape[0]) images")
    }
    let corners = rois.doubles()
    for region in 0..<y.shape[0] {
      let samples = try samples(Array(corners[region * 4..<region * 4 + 4]), x.shape[2], x.shape[3])
      try x.dtype.visit(
        Run(
          x: x, y: y, form: self, image: images[region], region: region, samples: samples, pool: context.pool)
      )
    }
  }

  /// Four pixels and their weights for each sample, cell after cell; weights of 0 outside the image.
  private func samples(_ corners: [Double], _ inputHeight: Int, _ inputWidth: Int) throws -> RoiSamples {
    let offset = halfPixel ? 0.5 : 0
    let start = (x: corners[0] * scale - offset, y: corners[1] * scale - offset)
    var extent = (x: corners[2] * scale - offset - start.x, y: corners[3] * scale - offset - start.y)
    if !halfPixel { extent = (max(extent.x, 1), max(extent.y, 1)) }
    let cell = (x: extent.x / Double(width), y: extent.y / Double(height))
    func count(_ size: Double) throws -> Int {
      if ratio > 0 { return ratio }
      guard size < 4096 else { throw DataError("a region of \(extent.x) × \(extent.y) is too large") }
      return Int(max(0, size.rounded(.up)))
    }
    let grid = (x: try count(cell.x), y: try count(cell.y))
    guard let taps = Shape.checkedCount([height, width, grid.x, grid.y, 4]), taps <= 1 << 24 else {
      throw DataError(
        "a region of \(extent.x) × \(extent.y) would be read at \(grid.y) × \(grid.x) points in each of "
          + "\(height) × \(width) cells, which is too much")
    }
    var result = RoiSamples(perCell: grid.x * grid.y)
    for row in 0..<height {
      for column in 0..<width {
        for i in 0..<grid.y {
          let y = start.y + (Double(row) + (Double(i) + 0.5) / Double(grid.y)) * cell.y
          for j in 0..<grid.x {
            let x = start.x + (Double(column) + (Double(j) + 0.5) / Double(grid.x)) * cell.x
            result.append(x, y, inputHeight, inputWidth)
          }
        }
      }
    }
    return result
  }

  private struct Run: ArithmeticVisitor {
    let x, y: Tensor
    let form: RoiAlign
    let image, region: Int
    let samples: RoiSamples
    let pool: ThreadPool

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      let (channels, pixels, cells) = (x.shape[1], x.shape[2] * x.shape[3], form.height * form.width)
      pool.forRanges(channels, grain: max(1, 8192 / max(1, cells * samples.perCell))) { range in
        for channel in range {
          let plane = x.pointer(as: type) + (image * channels + channel) * pixels
          let target = y.pointer(as: type) + (region * channels + channel) * cells
          for cell in 0..<cells {
            var (sum, largest) = (0.0, -Double.infinity)
            for tap in cell * samples.perCell * 4..<(cell + 1) * samples.perCell * 4 {
              let term = samples.weights[tap] * plane[samples.positions[tap]].double
              sum += term
              largest = Double.greatest(largest, term)
            }
            if samples.perCell == 0 { largest = 0 }
            target[cell] = T(
              rounding: form.takesLargest ? largest : sum / Double(max(1, samples.perCell)))
          }
        }
      }
    }
  }
}

/// The pixels around sampling points, four for each.
private struct RoiSamples {
  let perCell: Int
  var positions: [Int] = []
  var weights: [Double] = []

  init(perCell: Int) { self.perCell = perCell }

  mutating func append(_ x: Double, _ y: Double, _ height: Int, _ width: Int) {
    guard x >= -1, y >= -1, x <= Double(width), y <= Double(height) else {
      positions += [0, 0, 0, 0]
      weights += [0, 0, 0, 0]
      return
    }
    let (row, column) = (min(max(y, 0), Double(height - 1)), min(max(x, 0), Double(width - 1)))
    let (top, left) = (Int(row), Int(column))
    let (bottom, right) = (min(top + 1, height - 1), min(left + 1, width - 1))
    let (fy, fx) = (row - Double(top), column - Double(left))
    positions += [top * width + left, top * width + right, bottom * width + left, bottom * width + right]
    weights += [(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx]
  }
}
