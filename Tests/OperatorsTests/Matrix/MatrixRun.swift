import GraphIR

@testable import Operators

/// One operator, bound and run as the executor would: types inferred, scratch memory as asked for.
enum MatrixRun {
  /// - Parameter wanted: which outputs to ask for; by default the first.
  static func outputs(
    _ op: String, domain: String = "", opset: Int = 23, _ inputs: [Tensor?],
    _ attributes: [String: Attribute] = [:], wanted: [Bool] = [true], threads: Int = 2
  ) throws -> [Tensor?] {
    let node = Node(
      op, domain: domain, name: "n",
      inputs: inputs.enumerated().map { $1 == nil ? "" : "x\($0)" },
      outputs: wanted.enumerated().map { $1 ? "y\($0)" : "" }, attributes: attributes)
    let set = OperatorSet(OperatorSet.matrix, opsets: 7...28)
    let bound = try set.bind(node, opset: opset)
    let types = inputs.map { $0.map { TensorType($0.dtype, $0.shape) } }
    try set.checkTypes(type(of: bound).schema, types)
    let inferred = try bound.infer(InferenceInputs(types, outputCount: wanted.count))
    // Garbage in what is to be written: nothing may depend on it.
    let results = zip(wanted, inferred).map { wanted, type -> Tensor? in
      guard wanted else { return nil }
      let tensor = Tensor(type.dtype, type.concreteShape!)
      tensor.pointer.initializeMemory(as: UInt8.self, repeating: 0xFF, count: tensor.byteCount)
      return tensor
    }
    let scratch = Storage(byteCount: bound.workspace(types, threads: threads) + 64)
    scratch.base.initializeMemory(as: UInt8.self, repeating: 0xFF, count: scratch.byteCount)
    let context = RunContext(
      pool: ThreadPool(threads: threads),
      workspace: .init(start: scratch.base, count: scratch.byteCount - 64))
    try bound.runWidened(inputs, into: results, context)
    // Nothing may be written past the scratch memory that was asked for.
    for offset in scratch.byteCount - 64..<scratch.byteCount {
      precondition(scratch.base.load(fromByteOffset: offset, as: UInt8.self) == 0xFF)
    }
    return results
  }
}
