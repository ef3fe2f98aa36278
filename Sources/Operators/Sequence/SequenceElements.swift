import GraphIR

/// The types of outputs that are sequences: none. Input 0 must be a sequence.
private func unknown(_ inputs: InferenceInputs) throws -> [TensorType?] {
  _ = try inputs.element(0, of: .sequence)
  return [TensorType?](repeating: nil, count: inputs.outputCount)
}

/// A sequence of tensors of one element type, of whatever shapes.
private func sequence(of dtype: DType?) -> [ContainerType?] {
  [ContainerType(.sequence, of: dtype.map { TensorType($0, nil) })]
}

/// The inputs as a sequence.
struct SequenceConstruct: ValueOperator {
  static let schema = Schema(
    "SequenceConstruct", since: 11, inputs: ["inputs*: T"], outputs: ["output_sequence"],
    types: ["T": .storable])

  init(_ attributes: Attributes) {}

  func infer(_ inputs: InferenceInputs, body: BodyTypes) throws -> [TensorType?] { [nil] }

  func containers(_ inputs: InferenceInputs) -> [ContainerType?] { sequence(of: inputs.types.first??.dtype) }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) throws -> [RuntimeValue] {
    let tensors = try inputs.indices.map { try Flow.tensor(inputs, $0, "inputs") }
    for tensor in tensors { try Sequences.checkFits(tensor, tensors) }
    return [.sequence(tensors.map { $0.copy() })]
  }
}

/// A sequence without tensors.
struct SequenceEmpty: ValueOperator {
  static let schema = Schema(
    "SequenceEmpty", since: 11, inputs: [], outputs: ["output"],
    attributes: ["dtype": .int(Int(DType.float32.rawValue))])

  private let dtype: DType

  init(_ attributes: Attributes) throws { dtype = try attributes.elementType("dtype") }

  func infer(_ inputs: InferenceInputs, body: BodyTypes) throws -> [TensorType?] { [nil] }

  func containers(_ inputs: InferenceInputs) -> [ContainerType?] { sequence(of: dtype) }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) -> [RuntimeValue] { [.sequence([])] }
}

/// The tensor at a position.
struct SequenceAt: ValueOperator {
  static let schema = Schema(
    "SequenceAt", since: 11, inputs: ["input_sequence", "position: I"], outputs: ["tensor"],
    types: ["I": .indices])

  init(_ attributes: Attributes) {}

  func infer(_ inputs: InferenceInputs, body: BodyTypes) throws -> [TensorType?] {
    [try inputs.element(0, of: .sequence).map { TensorType($0.dtype, nil) }]
  }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) throws -> [RuntimeValue] {
    let sequence = try Sequences.sequence(inputs, 0, "input_sequence")
    let place = try Sequences.position(inputs, 1, count: sequence.count, limit: sequence.count - 1)
    guard let place else { throw DataError("input 'position' is missing") }
    return [.tensor(sequence[place])]
  }
}

/// The sequence with a tensor more, before the position or at the end.
struct SequenceInsert: ValueOperator {
  static let schema = Schema(
    "SequenceInsert", since: 11, inputs: ["input_sequence", "tensor", "position?: I"],
    outputs: ["output_sequence"], types: ["I": .indices])

  init(_ attributes: Attributes) {}

  func infer(_ inputs: InferenceInputs, body: BodyTypes) throws -> [TensorType?] { try unknown(inputs) }

  func containers(_ inputs: InferenceInputs) -> [ContainerType?] {
    sequence(of: inputs.containers.first??.element?.dtype)
  }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) throws -> [RuntimeValue] {
    var sequence = try Sequences.sequence(inputs, 0, "input_sequence")
    let tensor = try Flow.tensor(inputs, 1, "tensor")
    try Sequences.checkFits(tensor, sequence)
    let place = try Sequences.position(inputs, 2, count: sequence.count, limit: sequence.count)
    sequence.insert(tensor.copy(), at: place ?? sequence.count)
    return [.sequence(sequence)]
  }
}

/// The sequence without the tensor at the position, or without the last.
struct SequenceErase: ValueOperator {
  static let schema = Schema(
    "SequenceErase", since: 11, inputs: ["input_sequence", "position?: I"], outputs: ["output_sequence"],
    types: ["I": .indices])

  init(_ attributes: Attributes) {}

  func infer(_ inputs: InferenceInputs, body: BodyTypes) throws -> [TensorType?] { try unknown(inputs) }

  func containers(_ inputs: InferenceInputs) -> [ContainerType?] {
    sequence(of: inputs.containers.first??.element?.dtype)
  }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) throws -> [RuntimeValue] {
    var sequence = try Sequences.sequence(inputs, 0, "input_sequence")
    guard !sequence.isEmpty else { throw DataError("nothing can be erased from an empty sequence") }
    let place = try Sequences.position(inputs, 1, count: sequence.count, limit: sequence.count - 1)
    sequence.remove(at: place ?? sequence.count - 1)
    return [.sequence(sequence)]
  }
}

/// The number of tensors, an int64.
struct SequenceLength: ValueOperator {
  static let schema = Schema("SequenceLength", since: 11, inputs: ["input_sequence"], outputs: ["length"])

  init(_ attributes: Attributes) {}

  func infer(_ inputs: InferenceInputs, body: BodyTypes) throws -> [TensorType?] {
    _ = try inputs.element(0, of: .sequence)
    return [TensorType(.int64, [Int]())]
  }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) throws -> [RuntimeValue] {
    [.tensor(Tensor(scalar: Int64(try Sequences.sequence(inputs, 0, "input_sequence").count)))]
  }
}

/// Runs `body` on each tensor of a sequence; further inputs are sequences of as many tensors, or tensors that every
/// turn gets.
struct SequenceMap: ValueOperator {
  static let schema = Schema(
    "SequenceMap", since: 17, inputs: ["input_sequence", "additional_inputs*"], outputs: ["out_sequence*"],
    attributes: ["body": .none])
  private let outputCount: Int

  init(_ attributes: Attributes) throws {
    let body = try attributes.required("body", attributes.graph("body"))
    outputCount = attributes.outputCount
    guard body.inputs.count == attributes.inputCount, body.outputs.count == outputCount else {
      throw DataError(
        "the body has \(body.inputs.count) inputs and \(body.outputs.count) outputs, the node "
          + "\(attributes.inputCount) and \(outputCount)")
    }
  }

  func infer(_ inputs: InferenceInputs, body: BodyTypes) throws -> [TensorType?] { try unknown(inputs) }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) throws -> [RuntimeValue] {
    let length = try Sequences.sequence(inputs, 0, "input_sequence").count
    var results = [[Tensor]](repeating: [], count: outputCount)
    for turn in 0..<length {
      let given = try inputs.indices.map { position -> RuntimeValue in
        let value = try Sequences.value(inputs, position, "additional_inputs")
        guard case .sequence(let tensors) = value else { return value }
        guard tensors.count == length else {
          throw DataError("the sequences have \(length) and \(tensors.count) tensors, they must have as many")
        }
        return .tensor(tensors[turn])
      }
      for (position, value) in try body("body", given).enumerated() {
        results[position].append(try Flow.tensor(value, "output \(position) of the body"))
      }
    }
    return results.map(RuntimeValue.sequence)
  }
}
