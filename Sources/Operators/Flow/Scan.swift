import GraphIR

/// Runs `body` once for each slice of the scanned inputs: the body takes the states and one slice of each, and gives
/// the next states and one slice of each scan output.
///
/// Version 8 has a batch axis in front of everything, and lengths of the batch's sequences.
struct Scan: ValueOperator {
  static let schema = Schema(
    "Scan", since: 8, inputs: ["initial_state_and_scan_inputs*?9"],
    outputs: ["final_state_and_scan_outputs*"],
    attributes: [
      "body": .none, "num_scan_inputs": .none, "scan_input_axes": .none, "scan_input_directions": .none,
      "scan_output_axes": .none, "scan_output_directions": .none, "directions": .none,
    ])
  private let states: Int
  private let scans: Int
  private let outputs: [ValueInfo]
  private let inputAxes: [Int]
  private let inputReversed: [Bool]
  private let outputAxes: [Int]
  private let outputReversed: [Bool]
  private let isBatched: Bool

  init(_ attributes: Attributes) throws {
    isBatched = attributes.opset < 9
    let body = try attributes.required("body", attributes.graph("body"))
    let given = attributes.inputCount - (isBatched ? 1 : 0)
    scans = try attributes.required("num_scan_inputs", attributes.int("num_scan_inputs"))
    states = given - scans
    guard scans > 0, states >= 0, body.inputs.count == given else {
      throw DataError("the body has \(body.inputs.count) inputs, the node \(given), \(scans) of them scanned")
    }
    guard body.outputs.count == attributes.outputCount, body.outputs.count >= states else {
      throw DataError(
        "the body has \(body.outputs.count) outputs, the node \(attributes.outputCount) and \(states) states")
    }
    outputs = Array(body.outputs.dropFirst(states))
    func list(_ name: String, _ count: Int) throws -> [Int] {
      let values = try attributes.ints(name) ?? [Int](repeating: 0, count: count)
      guard values.count == count else {
        throw DataError("'\(name)' has \(values.count) entries, not \(count)")
      }
      return values
    }
    inputAxes = try list("scan_input_axes", scans)
    inputReversed = try list(isBatched ? "directions" : "scan_input_directions", scans).map { $0 != 0 }
    outputAxes = try list("scan_output_axes", outputs.count)
    outputReversed = try list("scan_output_directions", outputs.count).map { $0 != 0 }
  }

  func infer(_ inputs: InferenceInputs, body: BodyTypes) throws -> [TensorType?] {
    // With lengths and a batch, only a run tells more.
    if isBatched { return [TensorType?](repeating: nil, count: states + outputs.count) }
    let scanned = try (0..<scans).map { number -> TensorType? in
      guard let type = inputs.types[states + number] else { return nil }
      guard var shape = type.shape else { return type }
      shape.remove(at: try InferenceInputs.axis(inputAxes[number], rank: shape.count))
      return TensorType(type.dtype, shape)
    }
    let types = try body("body", inputs.types.prefix(states) + scanned)
    let slices = try zip(types.dropFirst(states), outputAxes).map { type, axis -> TensorType? in
      guard let type, var shape = type.shape else { return type }
      shape.insert(.unknown, at: try InferenceInputs.axis(axis, rank: shape.count + 1))
      return TensorType(type.dtype, shape)
    }
    return types.prefix(states) + slices
  }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) throws -> [RuntimeValue] {
    let tensors = try (isBatched ? 1..<inputs.count : inputs.indices).map { position in
      try Flow.tensor(inputs, position, Scan.schema.inputs[0].name)
    }
    if !isBatched { return try scan(tensors, length: nil, body).map(RuntimeValue.tensor) }
    let batch = tensors[0].rank > 0 ? tensors[0].shape[0] : 0
    guard batch > 0, tensors.allSatisfy({ $0.rank > 0 && $0.shape[0] == batch }) else {
      throw DataError("the inputs have no batch axis in common")
    }
    let lengths = inputs[0] == nil ? nil : try Movement.ints([Flow.tensor(inputs, 0, "sequence_lens")], 0)
    if let lengths, lengths.count != batch {
      throw DataError("\(lengths.count) sequence lengths do not fit a batch of \(batch)")
    }
    var results: [[Tensor]] = []
    for element in 0..<batch {
      let own = tensors.map { $0.rows(element..<element + 1).reshaped(Array($0.shape.dropFirst())) }
      results.append(try scan(own, length: lengths?[element], body))
    }
    return try results[0].indices.map { output in
      let info = output < states ? ValueInfo("state \(output)", nil) : outputs[output - states]
      return .tensor(try Flow.stacked(results.map { $0[output] }, of: info))
    }
  }

  private func scan(
    _ tensors: [Tensor], length: Int?, _ body: BodyRun
  ) throws -> [Tensor] {
    var values = Array(tensors.prefix(states))
    let scanned = try zip(tensors.dropFirst(states), inputAxes).map { tensor, axis in
      guard tensor.rank > 0 else { throw DataError("a scanned input has no axis") }
      return try Flow.slices(tensor, axis: InferenceInputs.axis(axis, rank: tensor.rank))
    }
    let extent = scanned[0].count
    guard scanned.allSatisfy({ $0.count == extent }) else {
      throw DataError("the scanned inputs have \(scanned.map(\.count)) slices, they must have as many")
    }
    let turns = length ?? extent
    guard (0...extent).contains(turns) else {
      throw DataError("a sequence of \(extent) has no length \(turns)")
    }
    var slices = [[Tensor]](repeating: [], count: outputs.count)
    for turn in 0..<turns {
      let current = zip(scanned, inputReversed).map { $1 ? $0[turns - 1 - turn] : $0[turn] }
      let results = try body("body", (values + current).map(RuntimeValue.tensor))
      for (position, value) in results.prefix(states).enumerated() {
        values[position] = try Flow.tensor(value, "state \(position)")
      }
      for (position, slice) in results.dropFirst(states).enumerated() {
        slices[position].append(try Flow.tensor(slice, "scan output '\(outputs[position].name)'"))
      }
    }
    if turns == 0 { values = values.map { $0.copy() } }
    return try values
      + slices.indices.map { position in
        let ordered = outputReversed[position] ? slices[position].reversed() : slices[position]
        let stacked = try Flow.stacked(ordered, of: outputs[position])
        let axis = try InferenceInputs.axis(outputAxes[position], rank: stacked.rank)
        return Flow.movingFirstAxis(stacked, to: axis)
      }
  }
}

extension Flow {
  /// The tensor's slices along an axis, without that axis.
  static func slices(_ tensor: Tensor, axis: Int) -> [Tensor] {
    let first = movingToFront(tensor, axis)
    let shape = Array(first.shape.dropFirst())
    return (0..<first.shape[0]).map { first.rows($0..<$0 + 1).reshaped(shape) }
  }

  /// The tensor with an axis as its first.
  private static func movingToFront(_ tensor: Tensor, _ axis: Int) -> Tensor {
    if axis == 0 { return tensor }
    var shape = tensor.shape
    let extent = shape.remove(at: axis)
    let inner = Shape.count(Array(tensor.shape[(axis + 1)...]))
    let outer = Shape.count(Array(tensor.shape[..<axis]))
    return exchanged(tensor, outer, extent, inner, shape: [extent] + shape)
  }

  /// The tensor with its first axis at another place.
  static func movingFirstAxis(_ tensor: Tensor, to axis: Int) -> Tensor {
    if axis == 0 { return tensor }
    var shape = Array(tensor.shape.dropFirst())
    let inner = Shape.count(Array(shape[axis...]))
    let outer = Shape.count(Array(shape[..<axis]))
    shape.insert(tensor.shape[0], at: axis)
    return exchanged(tensor, tensor.shape[0], outer, inner, shape: shape)
  }

  /// `[first, second, inner]` as `[second, first, inner]`.
  private static func exchanged(
    _ tensor: Tensor, _ first: Int, _ second: Int, _ inner: Int, shape: [Int]
  ) -> Tensor {
    let result = Tensor(tensor.dtype, shape)
    let bytes = inner * tensor.dtype.size
    for i in 0..<first {
      for j in 0..<second {
        (result.pointer + (j * first + i) * bytes).copyMemory(
          from: tensor.pointer + (i * second + j) * bytes, byteCount: bytes)
      }
    }
    return result
  }
}
