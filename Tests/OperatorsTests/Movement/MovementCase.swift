import GraphIR

@testable import Operators

/// One operator with its inputs, inferred and run as the executor does it.
struct MovementCase {
  var op: String
  var attributes: [String: Attribute] = [:]
  var opset = 23
  var outputs = 1
  var threads = 1

  init(
    _ op: String, _ attributes: [String: Attribute] = [:], opset: Int = 23, outputs: Int = 1, threads: Int = 1
  ) {
    self.op = op
    self.attributes = attributes
    self.opset = opset
    self.outputs = outputs
    self.threads = threads
  }

  static let set = OperatorSet(OperatorSet.movement, opsets: 7...28)

  func bind(_ inputs: Int) throws -> any Operator {
    try MovementCase.set.bind(
      Node(
        op, name: "n", inputs: (0..<inputs).map { "i\($0)" }, outputs: (0..<outputs).map { "o\($0)" },
        attributes: attributes), opset: opset)
  }

  /// Inferred types from types, and from values where they are known.
  func infer(_ types: [TensorType?], constants: [Tensor?] = []) throws -> [TensorType] {
    let bound = try bind(types.count)
    try MovementCase.set.checkTypes(type(of: bound).schema, types)
    return try bound.infer(InferenceInputs(types, constants: constants, outputCount: outputs))
  }

  /// Runs the operator; what is inferred from types alone must agree with what is inferred from values.
  func run(_ inputs: [Tensor?]) throws -> [Tensor] {
    let bound = try bind(inputs.count)
    let types = inputs.map { $0.map { TensorType($0.dtype, $0.shape) } }
    let loose = try infer(types)
    let exact = try infer(types, constants: inputs)
    let symbolic = try infer(
      types.map { $0.map { TensorType($0.dtype, $0.rank.map { Movement.unknown($0) }) } })
    for (position, type) in exact.enumerated() {
      guard type.agrees(with: loose[position]), type.agrees(with: symbolic[position]),
        let bytes = type.byteCount, bytes >= 0
      else { throw DataError("inferred \(type), \(loose[position]) and \(symbolic[position])") }
    }
    let results = exact.prefix(outputs).map { Tensor($0.dtype, $0.concreteShape!) }
    let pool = ThreadPool(threads: threads)
    let scratch = Storage(byteCount: bound.workspace(types, threads: threads))
    try bound.runWidened(
      inputs, into: Array(results),
      RunContext(pool: pool, workspace: .init(start: scratch.base, count: scratch.byteCount)))
    return Array(results)
  }

  func callAsFunction(_ inputs: Tensor?...) throws -> Tensor { try run(inputs)[0] }
}

extension Tensor {
  static func ints(_ values: [Int]) -> Tensor { Tensor(values.map { Int64($0) }, shape: [values.count]) }
  static func int(_ value: Int) -> Tensor { Tensor(scalar: Int64(value)) }

  /// 0, 1, 2, … in a shape.
  static func counting(_ shape: [Int], _ dtype: DType = .float32) -> Tensor {
    Tensor((0..<Shape.count(shape)).map { Int64($0) }, shape: shape).converted(to: dtype)
  }

  var floats: [Float] { converted(to: .float32).array() }
}
