import GraphIR

/// The first elements of each sequence in reverse order: as many as `sequence_lens` says for its batch element.
/// Axes 0 and 1 are the batch and the time, either way round.
struct ReverseSequence: Operator {
  static let schema = Schema(
    "ReverseSequence", since: 28, inputs: ["input: T", "sequence_lens: I"], outputs: ["Y: T"],
    types: ["T": .all, "I": [.int64]], attributes: ["batch_axis": .int(1), "time_axis": .int(0)])
  static let runsHalf = true
  let batchFirst: Bool

  init(_ attributes: Attributes) throws {
    let batch = try attributes.required("batch_axis", attributes.int("batch_axis"))
    let time = try attributes.required("time_axis", attributes.int("time_axis"))
    guard [batch, time].sorted() == [0, 1] else {
      throw DataError("batch_axis \(batch) and time_axis \(time) are not 0 and 1")
    }
    batchFirst = batch == 0
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard let shape = data.shape else { return [data] }
    guard shape.count >= 2 else { throw DataError("the input has rank \(shape.count), at least 2 is needed") }
    let batch = shape[batchFirst ? 0 : 1]
    if let lengths = try inputs.shape(1), lengths.count != 1 || !lengths[0].agrees(with: batch) {
      throw DataError("sequence_lens are \(try inputs.type(1)), one is needed for each of \(batch)")
    }
    return [data]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    let lengths = try Movement.input(inputs, 1).integers()
    let (first, second) = (x.shape[0], x.shape[1])
    for length in lengths where length < 0 || length > (batchFirst ? second : first) {
      throw DataError("a sequence length of \(length) is out of 0...\(batchFirst ? second : first)")
    }
    if y.count == 0 { return }
    let row = Shape.count(Array(x.shape[2...]))
    RowCopy.gather(
      from: x.pointer, to: y.pointer, count: first * second, length: row, elementSize: x.dtype.size,
      context.pool
    ) { position in
      let (i, j) = (position / second, position % second)
      let (item, time) = batchFirst ? (i, j) : (j, i)
      let source = time < lengths[item] ? lengths[item] - 1 - time : time
      return (batchFirst ? item * second + source : source * second + item) * row
    }
  }
}
