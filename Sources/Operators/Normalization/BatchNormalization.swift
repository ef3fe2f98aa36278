import GraphIR

/// Y = (X - mean) / √(var + epsilon) · scale + B on X: `[N, C, …]`, with given statistics for each channel, or in
/// training mode with those of X itself, which then move the given ones: momentum · given + (1 − momentum) · own.
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
  private let momentum: Double
  private let trains: Bool

  init(_ attributes: Attributes) throws {
    epsilon = try attributes.real("epsilon")
    momentum = try attributes.real("momentum")
    trains = try attributes.bool("training_mode")
    guard attributes.outputCount == 1 || trains && attributes.opset >= 14 && attributes.outputCount <= 3
    else {
      throw DataError(
        "has \(attributes.outputCount) outputs: running statistics need training_mode and opset 14")
    }
    guard try attributes.bool("spatial") else { throw DataError("spatial = 0 is not supported") }
  }

  var aliasing: Aliasing { trains ? .none : .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    if let shape = type.shape {
      // A vector per batch element is allowed, and a lone vector is one channel.
      let channels = shape.count > 1 ? try ChannelScale.channels(shape, minimumRank: 2) : 1
      for (position, parameter) in Self.schema.inputs.enumerated().dropFirst() {
        try ChannelScale.check(parameter.name, inputs.shape(position), channels)
      }
    }
    return [type] + (trains ? [try inputs.type(3), try inputs.type(4)] : [])
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0] else { return }
    var parameters = inputs[1...].map { $0?.doubles() ?? [] }
    if trains {
      let own = BatchNormalization.statistics(x)
      for (output, given, own) in [(1, parameters[2], own.mean), (2, parameters[3], own.variance)] {
        guard output < outputs.count, let running = outputs[output] else { continue }
        let moved = zip(given, own).map { momentum * $0 + (1 - momentum) * $1 }
        running.assign(Tensor(moved, shape: running.shape).converted(to: running.dtype))
      }
      (parameters[2], parameters[3]) = own
    }
    guard let y = outputs[0] else { return }
    let slope = zip(parameters[0], parameters[3]).map { $0 / ($1 + epsilon).squareRoot() }
    NormalizationKernel.channels(
      x, y, size: x.rank > 2 ? Shape.count(Array(x.shape[2...])) : x.rank == 2 ? 1 : x.count,
      mean: parameters[2], slope: slope, shift: parameters[1], context.pool)
  }

  /// Mean and (biased) variance of each channel.
  private static func statistics(_ x: Tensor) -> (mean: [Double], variance: [Double]) {
    let channels = x.rank > 1 ? x.shape[1] : 1
    let size = x.rank > 2 ? Shape.count(Array(x.shape[2...])) : x.rank == 2 ? 1 : x.count
    let count = Double(x.count / max(channels, 1))
    func means(_ values: [Double]) -> [Double] {
      var sums = [Double](repeating: 0, count: channels)
      for (index, value) in values.enumerated() { sums[index / size % channels] += value }
      return sums.map { $0 / count }
    }
    let values = x.doubles()
    let mean = means(values)
    let squares = values.enumerated().map { index, value in
      let distance = value - mean[index / size % channels]
      return distance * distance
    }
    return (mean, means(squares))
  }
}
