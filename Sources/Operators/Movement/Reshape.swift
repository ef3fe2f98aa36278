import GraphIR

/// The same elements in another shape. In `shape`, 0 keeps the extent at its place (unless `allowzero`) and
/// one -1 stands for what is left.
struct Reshape: Operator {
  static let schema = Schema(
    "Reshape", since: 5, inputs: ["data: T", "shape[1]: S"], outputs: ["reshaped: T"],
    types: ["T": .storable, "S": [.int64]], attributes: ["allowzero": .int(0)])
  static let runsHalf = true
  static let movesElements = true
  let aliasing = Aliasing.view
  let allowZero: Bool

  init(_ attributes: Attributes) throws { allowZero = try attributes.bool("allowzero") }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard let wanted = inputs.ints(1) else {
      return [TensorType(data.dtype, try Movement.length(inputs, 1).map { Movement.unknown($0) })]
    }
    return [TensorType(data.dtype, try resolve(wanted, data.shape))]
  }

  private func resolve(_ wanted: [Int], _ shape: [Dim]?) throws -> [Dim] {
    if let bad = wanted.first(where: { $0 < -1 }) {
      throw DataError("shape \(Shape.text(wanted)) holds \(bad)")
    }
    let open = wanted.indices.filter { wanted[$0] == -1 }
    guard open.count <= 1 else { throw DataError("shape \(Shape.text(wanted)) holds -1 twice") }
    guard !(allowZero && !open.isEmpty && wanted.contains(0)) else {
      throw DataError("shape \(Shape.text(wanted)) holds -1 and, with allowzero, 0")
    }
    // Extents of the input that no kept extent accounts for.
    var rest = shape ?? []
    var result: [Dim] = []
    for (axis, extent) in wanted.enumerated() {
      guard extent == 0 && !allowZero else {
        result.append(extent == -1 ? .unknown : .known(extent))
        continue
      }
      if let shape {
        guard axis < shape.count else {
          throw DataError("shape \(Shape.text(wanted)) keeps axis \(axis) of an input of rank \(shape.count)")
        }
        result.append(shape[axis])
        // Taken out of both sides below.
        rest[axis] = .known(1)
      } else {
        result.append(.unknown)
      }
    }
    guard let shape else { return result }
    let kept = wanted.indices.filter { wanted[$0] == 0 && !allowZero }
    let given = wanted.indices.filter { !kept.contains($0) && wanted[$0] != -1 }
    guard let new = Shape.checkedCount(given.map { wanted[$0] }) else {
      throw DataError("shape \(Shape.text(wanted)) is too large")
    }
    guard let known = Shape.checkedCount(rest.compactMap(\.value)) else {
      throw DataError("input \(Shape.text(shape.compactMap(\.value))) is too large")
    }
    let symbols = rest.filter { $0.value == nil }
    if let open = open.first {
      if new == 0 {
        guard symbols.isEmpty && known == 0 else {
          throw mismatch(wanted, shape)
        }
        // Nothing on both sides: any extent would do.
        result[open] = 0
      } else if symbols.isEmpty {
        guard known % new == 0 else { throw mismatch(wanted, shape) }
        result[open] = .known(known / new)
      } else if symbols.count == 1, known == new {
        result[open] = symbols[0]
      }
    } else if symbols.isEmpty {
      guard known == new else { throw mismatch(wanted, shape) }
    }
    return result
  }

  private func mismatch(_ wanted: [Int], _ shape: [Dim]) -> DataError {
    DataError(
      "\(shape.map(\.description).joined(separator: "×")) elements do not fit shape \(Shape.text(wanted))")
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    outputs[0]?.assign(try Movement.input(inputs, 0))
  }
}

extension Reshape: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    [context.reshape(try context.gradient(), try context.shape(0))]
  }
}
