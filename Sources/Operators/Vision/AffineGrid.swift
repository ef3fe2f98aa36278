import GraphIR

/// Sampling positions for GridSample: `theta` `[N, 2, 3]` applied to every position of an image of `size`
/// `[N, C, H, W]` gives `[N, H, W, 2]`; `[N, 3, 4]` and `[N, C, D, H, W]` give `[N, D, H, W, 3]`. Positions run from
/// -1 to 1, at the outer pixels' centres (`align_corners`) or their edges.
struct AffineGrid: Operator {
  static let schema = Schema(
    "AffineGrid", since: 20, inputs: ["theta: T1", "size[1]: T2"], outputs: ["grid: T1"],
    types: ["T1": .floats, "T2": [.int64]], attributes: ["align_corners": .int(0)])
  let alignsCorners: Bool

  init(_ attributes: Attributes) throws { alignsCorners = try attributes.bool("align_corners") }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let theta = try inputs.type(0)
    var spatial: Int?
    if let shape = theta.shape {
      spatial = [2, 3].first {
        shape.count == 3 && shape[1].agrees(with: .known($0)) && shape[2].agrees(with: .known($0 + 1))
      }
      guard spatial != nil else { throw DataError("theta is \(theta), not [N, 2, 3] or [N, 3, 4]") }
      if shape[1].value == nil, shape[2].value == nil { spatial = nil }
    }
    if let size = inputs.ints(1) {
      guard size.count == 4 || size.count == 5, spatial.map({ $0 == size.count - 2 }) ?? true,
        theta.shape?[0].agrees(with: .known(size[0])) ?? true
      else { throw DataError("size \(size) does not fit theta \(theta)") }
      let shape = [size[0]] + size[2...] + [size.count - 2]
      return [try Movement.limited(theta.dtype, shape.map { .known($0) })]
    }
    let known = try spatial ?? Movement.length(inputs, 1).map { $0 - 2 }
    guard let known, known == 2 || known == 3 else { return [TensorType(theta.dtype, nil)] }
    return [TensorType(theta.dtype, Movement.unknown(known + 1) + [.known(known)])]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let theta = inputs[0], let y = outputs[0], y.count > 0 else { return }
    try y.dtype.visit(Run(theta: theta.doubles(), y: y, alignsCorners: alignsCorners, pool: context.pool))
  }

  private struct Run: ArithmeticVisitor {
    let theta: [Double]
    let y: Tensor
    let alignsCorners: Bool
    let pool: ThreadPool

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      let target = y.pointer(as: type)
      let extents = Array(y.shape[1...].dropLast())
      let (rank, positions) = (extents.count, Shape.count(extents))
      let axes = extents.map { extent in (0..<extent).map { coordinate($0, extent) } }
      pool.forRanges(y.shape[0] * positions, grain: 4096) { range in
        for item in range {
          let matrix = item / positions * rank * (rank + 1)
          for row in 0..<rank {
            var sum = theta[matrix + row * (rank + 1) + rank]
            var rest = item % positions
            // The last axis, the fastest, is x: the first column.
            for column in 0..<rank {
              let axis = rank - 1 - column
              sum += theta[matrix + row * (rank + 1) + column] * axes[axis][rest % extents[axis]]
              rest /= extents[axis]
            }
            target[item * rank + row] = T(rounding: sum)
          }
        }
      }
    }

    private func coordinate(_ position: Int, _ extent: Int) -> Double {
      if alignsCorners { return extent == 1 ? 0 : 2 * Double(position) / Double(extent - 1) - 1 }
      return (2 * Double(position) + 1) / Double(extent) - 1
    }
  }
}
