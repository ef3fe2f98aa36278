import GraphIR

/// Runs `body` again and again: at most M times, and while the condition holds (both may be left out).
///
/// The body takes the turn's number, the condition and the carried values; it gives the next condition, the
/// carried values and one slice of each scan output, which are stacked along a new first axis.
struct Loop: ValueOperator {
  static let schema = Schema(
    "Loop", since: 1, inputs: ["M?: I", "cond?: B", "v_initial*"], outputs: ["v_final_and_scan_outputs*"],
    types: ["I": [.int64], "B": [.bool]], attributes: ["body": .none])
  private let carried: Int
  private let scans: [ValueInfo]

  init(_ attributes: Attributes) throws {
    let body = try attributes.required("body", attributes.graph("body"))
    carried = max(0, attributes.inputCount - 2)
    guard body.inputs.count == carried + 2 else {
      throw DataError("the body has \(body.inputs.count) inputs, the node carries \(carried) values")
    }
    guard body.outputs.count == attributes.outputCount + 1, attributes.outputCount >= carried else {
      throw DataError(
        "the body has \(body.outputs.count) outputs, the node \(attributes.outputCount) and \(carried) values"
      )
    }
    scans = Array(body.outputs.dropFirst(carried + 1))
  }

  func infer(_ inputs: InferenceInputs, body: BodyTypes) throws -> [TensorType?] {
    // Shapes may change from turn to turn.
    let types = (0..<carried).map { position in
      let place = position + 2
      return place < inputs.types.count ? inputs.types[place].map { TensorType($0.dtype, nil) } : nil
    }
    let given = [TensorType(.int64, [Int]()), TensorType(.bool, [Int]())] + types
    let scanned = try body("body", given).dropFirst(carried + 1)
    return types + scanned.map { $0.map { TensorType($0.dtype, $0.shape.map { [.unknown] + $0 }) } }
  }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) throws -> [RuntimeValue] {
    let limit = try inputs[0] == nil ? .max : Loop.tripCount(Flow.tensor(inputs, 0, "M"))
    let isConditional = inputs.count > 1 && inputs[1] != nil
    var goesOn = try isConditional ? Flow.condition(Flow.tensor(inputs, 1, "cond")) : true
    var values: [RuntimeValue] = []
    for (position, value) in inputs.dropFirst(2).enumerated() {
      guard let value else { throw DataError("carried value \(position) is missing") }
      values.append(value)
    }
    var slices = [[Tensor]](repeating: [], count: scans.count)
    var turn = 0
    while goesOn, turn < limit {
      let given = [Tensor([Int64(turn)], shape: []), Tensor([goesOn], shape: [])].map(RuntimeValue.tensor)
      let results = try body("body", given + values)
      goesOn = try Flow.condition(Flow.tensor(results[0], "the next condition"))
      for (position, value) in results[1..<(carried + 1)].enumerated() {
        if let before = values[position].tensor, let after = value.tensor, before.dtype != after.dtype {
          throw DataError("carried value \(position) turns from \(before.dtype) to \(after.dtype)")
        }
        values[position] = value
      }
      for (position, slice) in results.dropFirst(carried + 1).enumerated() {
        slices[position].append(try Flow.tensor(slice, "scan output '\(scans[position].name)'"))
      }
      turn += 1
    }
    // Without a turn, values leave as they came; outputs have memory of their own.
    if turn == 0 { values = values.map { $0.copy() } }
    return try values + zip(scans, slices).map { .tensor(try Flow.stacked($1, of: $0)) }
  }

  private static func tripCount(_ tensor: Tensor) throws -> Int {
    guard tensor.dtype == .int64, tensor.count == 1 else {
      throw DataError("the trip count is one int64, not \(TensorType(tensor.dtype, tensor.shape))")
    }
    return Int(tensor.pointer(as: Int64.self)[0])
  }
}

extension Flow {
  /// Slices one after another along a new first axis; without slices, an empty tensor of the declared type.
  static func stacked(_ slices: [Tensor], of declared: ValueInfo) throws -> Tensor {
    guard let first = slices.first else {
      guard let type = declared.type else {
        throw DataError("no turn was made, and scan output '\(declared.name)' declares no type")
      }
      return Tensor(type.dtype, [0] + (type.shape ?? []).map { $0.value ?? 0 })
    }
    for slice in slices where slice.dtype != first.dtype || slice.shape != first.shape {
      throw DataError(
        "scan output '\(declared.name)' is \(TensorType(first.dtype, first.shape)) at first, "
          + "then \(TensorType(slice.dtype, slice.shape))")
    }
    let shape = [slices.count] + first.shape
    guard let bytes = TensorType(first.dtype, shape).byteCount else {
      throw DataError("a scan output is too large")
    }
    try Storage.checkFits(bytes, "a scan output")
    let result = Tensor(first.dtype, shape)
    for (position, slice) in slices.enumerated() where slice.byteCount > 0 {
      (result.pointer + position * slice.byteCount).copyMemory(
        from: slice.pointer, byteCount: slice.byteCount)
    }
    return result
  }
}
