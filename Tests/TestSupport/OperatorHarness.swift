import GraphIR
import Operators

/// Runs single operators as the executor does: bind, check types, infer, allocate, run.
public enum OperatorHarness {
  /// The outputs of one operator.
  /// - Parameters:
  ///   - outputs: how many outputs the node names.
  ///   - threads: the size of the pool.
  ///   - inPlace: the input whose memory (a copy of it) the first output takes.
  /// - Throws: the operator's `DataError`, or one that says that the inferred types are not concrete.
  public static func runOperator(
    _ op: String, domain: String = "", opset: Int = 23, _ inputs: [Tensor?],
    attributes: [String: Attribute] = [:], outputs: Int = 1, threads: Int = 1, inPlace: Int? = nil,
    set: OperatorSet = .standard
  ) throws -> [Tensor] {
    let bound = try set.bind(
      node(op, domain, inputs.map { $0 != nil }, attributes, outputs), opset: opset)
    let types = inputs.map { $0.map { TensorType($0.dtype, $0.shape) } }
    try set.checkTypes(type(of: bound).schema, types)
    let inferred = try bound.infer(
      InferenceInputs(types, constants: inputs, outputCount: outputs))
    var inputs = inputs
    var results: [Tensor] = []
    for type in inferred.prefix(outputs) {
      guard let shape = type.concreteShape else { throw DataError("\(op) inferred \(type)") }
      results.append(Tensor(type.dtype, shape))
    }
    if let inPlace {
      guard case .inPlace(let allowed) = bound.aliasing, allowed.contains(inPlace),
        let source = inputs[inPlace], source.count == results[0].count,
        source.dtype == results[0].dtype
      else { throw DataError("\(op) cannot run in place on input \(inPlace)") }
      results[0].assign(source)
      inputs[inPlace] = results[0].reshaped(source.shape)
    }
    let pool = ThreadPool(threads: threads)
    let scratch = Storage(byteCount: bound.workspace(types, threads: threads))
    try withExtendedLifetime(scratch) {
      try bound.runWidened(
        inputs, into: results,
        RunContext(pool: pool, workspace: .init(start: scratch.base, count: scratch.byteCount)))
    }
    return results
  }

  /// The types that inference gives, without running.
  public static func infer(
    _ op: String, domain: String = "", opset: Int = 23, _ inputs: [TensorType?],
    attributes: [String: Attribute] = [:], constants: [Tensor?] = [], outputs: Int = 1,
    set: OperatorSet = .standard
  ) throws -> [TensorType] {
    let bound = try set.bind(
      node(op, domain, inputs.map { $0 != nil }, attributes, outputs), opset: opset)
    try set.checkTypes(type(of: bound).schema, inputs)
    return try bound.infer(InferenceInputs(inputs, constants: constants, outputCount: outputs))
  }

  private static func node(
    _ op: String, _ domain: String, _ present: [Bool], _ attributes: [String: Attribute], _ outputs: Int
  ) -> Node {
    Node(
      op, domain: domain, inputs: present.indices.map { present[$0] ? "x\($0)" : "" },
      outputs: (0..<outputs).map { "y\($0)" }, attributes: attributes)
  }
}
