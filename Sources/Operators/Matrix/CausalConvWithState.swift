import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// A convolution of each channel with its own kernel over present and past elements: `input` `[batch, channels, length]`,
/// `weight` `[channels, 1, k]`. `past_state` holds the k − 1 elements before the input, zeros where it is absent;
/// `present_state` those to give to the next call.
struct CausalConvWithState: Operator {
  static let schema = Schema(
    "CausalConvWithState", since: 27, inputs: ["input: T", "weight: T", "bias?: T", "past_state?: T"],
    outputs: ["output: T", "present_state: T"], types: ["T": [.float16, .bfloat16, .float32]],
    attributes: ["activation": .string("none")])
  let swish: Bool

  init(_ attributes: Attributes) throws {
    let activation = try attributes.string("activation") ?? "none"
    guard ["none", "silu", "swish"].contains(activation) else {
      throw DataError("activation '\(activation)' is not none, silu or swish")
    }
    swish = activation != "none"
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let (x, weight) = (try inputs.type(0), try inputs.type(1))
    guard x.rank ?? 3 == 3, weight.rank ?? 3 == 3 else {
      throw DataError("input is \(x) and weight \(weight), both must have rank 3")
    }
    let (batch, channels) = (x.shape?[0] ?? .unknown, x.shape?[1] ?? .unknown)
    let reach = weight.shape?[2] ?? .unknown
    if let shape = weight.shape,
      !shape[0].agrees(with: channels) || !shape[1].agrees(with: 1) || reach.value == 0
    {
      throw DataError("weight is \(weight), not [\(channels), 1, k]")
    }
    if inputs.has(2), let bias = try inputs.shape(2), bias.count != 1 || !bias[0].agrees(with: channels) {
      throw DataError("bias is \(try inputs.type(2)), not [\(channels)]")
    }
    let state = TensorType(x.dtype, [batch, channels, reach.map { $0 - 1 }])
    if inputs.has(3), !state.agrees(with: try inputs.type(3)) {
      throw DataError("past_state is \(try inputs.type(3)), not \(state)")
    }
    return [x, state]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let weight = inputs[1] else { return }
    let (channels, length, reach) = (x.shape[1], x.shape[2], weight.shape[2])
    let (source, kernel) = (x.pointer(as: Float.self), weight.pointer(as: Float.self))
    let bias = Movement.optional(inputs, 2)?.pointer(as: Float.self)
    let past = Movement.optional(inputs, 3)?.pointer(as: Float.self)
    let output = outputs[0]?.pointer(as: Float.self)
    let present = (outputs.count > 1 ? outputs[1] : nil)?.pointer(as: Float.self)
    context.pool.forRanges(x.shape[0] * channels, grain: max(1, 16384 / max(1, length * reach))) { range in
      for row in range {
        var line = [Float](repeating: 0, count: reach - 1 + length)
        if let past { for i in 0..<reach - 1 { line[i] = past[row * (reach - 1) + i] } }
        for i in 0..<length { line[reach - 1 + i] = source[row * length + i] }
        let taps = kernel + row % channels * reach
        for i in 0..<length {
          guard let output else { break }
          var sum = bias?[row % channels] ?? 0
          for tap in 0..<reach { sum += taps[tap] * line[i + tap] }
          output[row * length + i] = swish ? sum / (1 + exp(-sum)) : sum
        }
        if let present { for i in 0..<reach - 1 { present[row * (reach - 1) + i] = line[length + i] } }
      }
    }
  }
}
