import GraphIR

/// Y = whether X is NaN.
struct IsNaN: Operator {
  static let schema = Schema(
    "IsNaN", since: 20, inputs: ["X: T"], outputs: ["Y: B"], types: ["T": .floats, "B": [.bool]])

  init(_ attributes: Attributes) {}

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [TensorType(.bool, try inputs.shape(0))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    if x.dtype == .float64 {
      UnaryKernel.map(x, y, context.pool, from: Double.self, to: UInt8.self) { $0.isNaN ? 1 : 0 }
    } else {
      UnaryKernel.map(x, y, context.pool, from: Float.self, to: UInt8.self) { $0.isNaN ? 1 : 0 }
    }
  }
}

/// Y = whether X is an infinity of a wanted sign.
struct IsInf: Operator {
  static let schema = Schema(
    "IsInf", since: 20, inputs: ["X: T"], outputs: ["Y: B"], types: ["T": .floats, "B": [.bool]],
    attributes: ["detect_negative": .int(1), "detect_positive": .int(1)])
  let negative: Bool
  let positive: Bool

  init(_ attributes: Attributes) throws {
    negative = try attributes.bool("detect_negative")
    positive = try attributes.bool("detect_positive")
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [TensorType(.bool, try inputs.shape(0))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    if x.dtype == .float64 {
      UnaryKernel.map(x, y, context.pool, from: Double.self, to: UInt8.self) { matches($0) ? 1 : 0 }
    } else {
      UnaryKernel.map(x, y, context.pool, from: Float.self, to: UInt8.self) { matches(Double($0)) ? 1 : 0 }
    }
  }

  private func matches(_ x: Double) -> Bool {
    x == .infinity ? positive : x == -.infinity && negative
  }
}
