import GraphIR

/// Y = (X - mean) / √(var + epsilon) · scale + B on X: `[N, C, …]`, with given statistics for each channel.
/// Training mode is refused.
struct BatchNormalization: Operator {
  static let schema = Schema(
    "BatchNormalization", since: 15,
    inputs: ["X: T", "scale: T1", "B: T1", "input_mean: T2", "input_var: T2"],
    outputs: ["Y: T", "running_mean?: T2", "running_var?: T2", "saved_mean?: T2", "saved_var?: T2"],
    types: ["T": .floats, "T1": .floats, "T2": .floats],
    attributes: [
      "epsilon": .float(1e-5), "momentum": .float(0.9), "training_mode": .int(0), "spatial": .int(1),
    ])
  let epsilon: Double

  init(_ attributes: Attributes) throws {
    epsilon = try attributes.real("epsilon")
    if try attributes.bool("training_mode") || attributes.outputCount > 1 {
      throw DataError("training mode is not supported")
    }
    guard try attributes.bool("spatial") else { throw DataError("spatial = 0 is not supported") }
  }

  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    if let shape = type.shape {
      // A vector per batch element is allowed, and a lone vector is one channel.
      let channels = shape.count > 1 ? try ChannelScale.channels(shape, minimumRank: 2) : 1
      for (position, parameter) in Self.schema.inputs.enumerated().dropFirst() {
        try ChannelScale.check(parameter.name, inputs.shape(position), channels)
      }
    }
    return [type]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    let parameters = inputs[1...].map { $0?.converted(to: .float64).array(of: Double.self) ?? [] }
    let slope = zip(parameters[0], parameters[3]).map { $0 / ($1 + epsilon).squareRoot() }
    NormalizationKernel.channels(
      x, y, size: x.rank > 2 ? Shape.count(Array(x.shape[2...])) : x.rank == 2 ? 1 : x.count,
      mean: parameters[2], slope: slope, shift: parameters[1], context.pool)
  }
}
