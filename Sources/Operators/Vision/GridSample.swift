import GraphIR

/// Images `[N, C, D1, …]` read at the positions of a grid `[N, O1, …, spatial axes]`, the last axis first in each
/// position; -1 and 1 are the outer pixels' centres (`align_corners`) or edges. The result is `[N, C, O1, …]`.
struct GridSample: Operator {
  static let schema = Schema(
    "GridSample", since: 22, inputs: ["X: T1", "grid: T2"], outputs: ["Y: T1"],
    types: ["T1": .numbers, "T2": .floats],
    attributes: [
      "align_corners": .int(0), "mode": .string("linear"), "padding_mode": .string("zeros"),
    ])
  let method: GridSampling

  init(_ attributes: Attributes) throws {
    // Opset 16 had names that are for two axes alone.
    let old = ["bilinear": "linear", "bicubic": "cubic"]
    let name = try attributes.string("mode") ?? "linear"
    guard let mode = GridSampling.Mode(rawValue: old[name] ?? name) else {
      throw DataError("mode '\(name)' is not linear, nearest or cubic")
    }
    method = GridSampling(
      mode: mode, padding: try Resize.choice(attributes, "padding_mode"),
      alignsCorners: try attributes.bool("align_corners"))
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let (x, grid) = (try inputs.type(0), try inputs.type(1))
    guard let shape = x.shape, let positions = grid.shape else {
      return [TensorType(x.dtype, (x.rank ?? grid.rank).map { Movement.unknown($0) })]
    }
    guard shape.count >= 3, positions.count == shape.count, positions[0].agrees(with: shape[0]),
      positions[shape.count - 1].agrees(with: .known(shape.count - 2))
    else { throw DataError("grid \(grid) does not fit images \(x)") }
    let result = shape[..<2] + positions[1...].dropLast()
    if shape[2...].contains(where: { $0.value == 0 }), !result.contains(where: { $0.value == 0 }) {
      throw DataError("images \(x) have no pixels")
    }
    return [try Movement.limited(x.dtype, Array(result))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let grid = inputs[1], let y = outputs[0], y.count > 0 else { return }
    try x.dtype.visit(Run(x: x, grid: grid, y: y, method: method, pool: context.pool))
  }

  private struct Run: ArithmeticVisitor {
    let x: Tensor
    let grid: Tensor
    let y: Tensor
    let method: GridSampling
    let pool: ThreadPool

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      let (source, target) = (x.pointer(as: type), y.pointer(as: type))
      let extents = Array(x.shape[2...])
      let (channels, rank) = (x.shape[1], extents.count)
      let pixels = Shape.count(extents)
      let positions = Shape.count(Array(y.shape[2...]))
      pool.forRanges(y.shape[0] * positions, grain: max(1, 2048 / channels)) { range in
        for item in range {
          let (image, position) = (item / positions, item % positions)
          let taps = method.taps(coordinates(item * rank, extents), extents)
          for channel in 0..<channels {
            let plane = source + (image * channels + channel) * pixels
            var sum = 0.0
            for tap in taps { sum += tap.weight * plane[tap.offset].double }
            target[(image * channels + channel) * positions + position] = T(rounding: sum)
          }
        }
      }
    }

    /// The pixel coordinates of a grid position, first axis first; float32 grids are turned into pixels in float32.
    private func coordinates(_ first: Int, _ extents: [Int]) -> [Double] {
      extents.indices.map { axis in
        let place = first + extents.count - 1 - axis
        if grid.dtype == .float64 {
          return method.pixel(grid.pointer(as: Double.self)[place], extents[axis])
        }
        return Double(method.pixel(grid.pointer(as: Float.self)[place], extents[axis]))
      }
    }
  }
}
