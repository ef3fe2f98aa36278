import GraphIR

/// Y = (X - mean) / √(variance + epsilon) · scale + bias on X: `[N, C, …]`, with statistics over each of
/// `num_groups` groups of channels of each batch element. Scale and bias have one number per channel from
/// opset 21 on, one per group before.
struct GroupNormalization: Operator {
  static let schema = Schema(
    "GroupNormalization", since: 21, inputs: ["X: T", "scale: T", "bias: T"], outputs: ["Y: T"],
    types: ["T": .floats],
    attributes: ["epsilon": .float(1e-5), "num_groups": .none, "stash_type": .int(1)])
  let epsilon: Double
  let groups: Int
  let scalesGroups: Bool

  init(_ attributes: Attributes) throws {
    try self.init(attributes, scalesGroups: attributes.opset < 21)
  }

  init(_ attributes: Attributes, scalesGroups: Bool) throws {
    epsilon = try attributes.real("epsilon")
    groups = try attributes.required("num_groups", attributes.int("num_groups"))
    self.scalesGroups = scalesGroups
    guard groups > 0 else { throw DataError("num_groups is \(groups), it must be positive") }
  }

  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    if let shape = type.shape {
      let channels = try ChannelScale.channels(shape, minimumRank: 2)
      if let channels, channels % groups != 0 {
        throw DataError("\(channels) channels cannot be cut into \(groups) groups")
      }
      for (name, position) in [("scale", 1), ("bias", 2)] {
        try ChannelScale.check(name, inputs.shape(position), scalesGroups ? groups : channels)
      }
    }
    return [type]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let scale = inputs[1], let bias = inputs[2], let y = outputs[0]
    else { return }
    let channels = x.shape[1]
    let perGroup = max(channels / groups, 1)
    NormalizationKernel.groups(
      x, y, channels: channels, size: Shape.count(Array(x.shape[2...])), groups: groups,
      epsilon: epsilon, scale: scale, bias: bias, factor: { scalesGroups ? $0 / perGroup : $0 },
      context.pool)
  }
}

/// GroupNormalization as it is from opset 21 on, in graphs of every opset: an operator of our own domain.
struct ChannelGroupNormalization: Operator {
  static let schema = Schema(
    "GroupNormalization", domain: "dsd", since: 1, inputs: GroupNormalization.schema.inputs,
    outputs: GroupNormalization.schema.outputs, types: GroupNormalization.schema.types,
    attributes: GroupNormalization.schema.attributes)
  let form: GroupNormalization

  init(_ attributes: Attributes) throws { form = try GroupNormalization(attributes, scalesGroups: false) }

  var aliasing: Aliasing { form.aliasing }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { try form.infer(inputs) }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    try form.run(inputs, into: outputs, context)
  }
}

/// Y = (X - mean) / √(variance + epsilon) · scale + B on X: `[N, C, …]`, with statistics over each channel of
/// each batch element.
struct InstanceNormalization: Operator {
  static let schema = Schema(
    "InstanceNormalization", since: 22, inputs: ["input: T", "scale: T", "B: T"], outputs: ["output: T"],
    types: ["T": .floats], attributes: ["epsilon": .float(1e-5)])
  let epsilon: Double

  init(_ attributes: Attributes) throws {
    epsilon = try attributes.real("epsilon")
  }

  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    if let shape = type.shape {
      let channels = try ChannelScale.channels(shape, minimumRank: 2)
      try ChannelScale.check("scale", inputs.shape(1), channels)
      try ChannelScale.check("B", inputs.shape(2), channels)
    }
    return [type]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let scale = inputs[1], let bias = inputs[2], let y = outputs[0]
    else { return }
    let channels = x.shape[1]
    NormalizationKernel.groups(
      x, y, channels: channels, size: Shape.count(Array(x.shape[2...])), groups: channels,
      epsilon: epsilon, scale: scale, bias: bias, factor: { $0 }, context.pool)
  }
}
