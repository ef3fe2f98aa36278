/// An operator with its attributes bound: what a node's name stands for.
///
/// A conforming type is one file: schema, shape inference and kernel call side by side. `infer` tells the
/// types of the outputs before anything runs; `run` writes outputs that the executor has placed in memory.
public protocol Operator: Sendable {
  static var schema: Schema { get }

  /// Whether `run` itself handles float16 and bfloat16. Otherwise such inputs are widened to float32 before
  /// the call and results rounded after it.
  static var runsHalf: Bool { get }

  /// Whether the operator only moves elements, whatever their type is: what goes in and comes out may then be of a
  /// wider type than the graph says.
  static var movesElements: Bool { get }

  /// Whether input 0 may be a sequence or an optional as well, which is then the output: Identity.
  static var passesContainers: Bool { get }

  /// - Throws: `DataError` when an attribute is missing, of the wrong kind or out of range.
  init(_ attributes: Attributes) throws

  /// Types of the outputs, in order; trailing outputs that the node does not name may be left out.
  /// - Throws: `DataError` that says what does not fit. The caller adds the node.
  func infer(_ inputs: InferenceInputs) throws -> [TensorType]

  /// Outputs that follow from the types of the inputs alone (Shape, Size), or nil.
  func knownOutputs(_ inputs: InferenceInputs) -> [Tensor]?

  /// Writes `outputs`, which have the inferred types; nil entries are not wanted. Inputs and outputs never
  /// overlap, except as `aliasing` allows.
  /// - Throws: `DataError` on values that cannot be used, such as an index out of range.
  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws

  /// Which input the first output may share memory with.
  var aliasing: Aliasing { get }

  /// Bytes of scratch memory that `run` finds in its context, for inputs of these types.
  func workspace(_ inputs: [TensorType?], threads: Int) -> Int

  /// Multiply-adds of one run, for reports and cost estimates; 0 for what only moves or maps elements.
  func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int

  /// The node, changed so that it also yields `form`, and the position of that output; nil when this operator
  /// has no such form. `output` is the name that the new output gets.
  static func exposing(_ form: ValueForm, of node: Node, as output: String) -> Node?
}

extension Operator {
  public static var runsHalf: Bool { false }
  public static var movesElements: Bool { false }
  public static var passesContainers: Bool { false }
  public func knownOutputs(_ inputs: InferenceInputs) -> [Tensor]? { nil }
  public var aliasing: Aliasing { .none }
  public func workspace(_ inputs: [TensorType?], threads: Int) -> Int { 0 }
  public func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int { 0 }
  public static func exposing(_ form: ValueForm, of node: Node, as output: String) -> Node? { nil }
}

/// How an operator's first output may share memory with an input.
public enum Aliasing: Sendable, Equatable {
  case none
  /// The output is the same bytes as input 0 under another shape; `run` is not called.
  case view
  /// The output may overwrite one of these inputs (the first that is dead afterwards and has the output's
  /// size); `run` must then be right when they are the same memory.
  case inPlace([Int])
}

/// A derived quantity that a hook can ask of a node instead of, or beside, its outputs.
public struct ValueForm: RawRepresentable, Hashable, Sendable {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }

  /// log Σ exp of the scaled, masked scores over the keys: `[batch, heads, queries]`.
  public static let logSumExp = ValueForm(rawValue: "logsumexp")
  /// Scaled scores q·k/√d after mask: `[batch, heads, queries, keys]`.
  public static let scores = ValueForm(rawValue: "scores")
  /// Softmax of the scores: `[batch, heads, queries, keys]`.
  public static let probabilities = ValueForm(rawValue: "probabilities")
}

/// What a kernel call gets beside its tensors.
public struct RunContext: @unchecked Sendable {
  public let pool: ThreadPool
  /// Scratch memory, 64-byte aligned, at least as large as `workspace` asked for.
  public let workspace: UnsafeMutableRawBufferPointer

  public init(pool: ThreadPool, workspace: UnsafeMutableRawBufferPointer) {
    self.pool = pool
    self.workspace = workspace
  }
}

/// What shape inference knows of a node's inputs.
public struct InferenceInputs: Sendable {
  /// Nil for an absent optional input.
  public let types: [TensorType?]
  /// Values of inputs that are known already: constants, or everything at run time.
  public let constants: [Tensor?]
  /// What is known of inputs that are no plain tensors.
  public let containers: [ContainerType?]
  /// How many outputs the node names.
  public let outputCount: Int

  public init(
    _ types: [TensorType?], constants: [Tensor?] = [], containers: [ContainerType?] = [], outputCount: Int = 1
  ) {
    self.types = types
    self.constants = constants
    self.containers = containers
    self.outputCount = outputCount
  }

  public func has(_ position: Int) -> Bool { position < types.count && types[position] != nil }

  /// The type of the tensors in a sequence or optional, when it is known.
  /// - Throws: `DataError` when the input is known to be a tensor, and `kind` says that it must not be.
  public func element(_ position: Int, of kind: ContainerType.Kind? = nil) throws -> TensorType? {
    if let kind, position < types.count, let type = types[position] {
      throw DataError("input \(position) is \(type), not \(kind == .sequence ? "a sequence" : "an optional")")
    }
    return position < containers.count ? containers[position]?.element : nil
  }

  /// The type of an input that the schema requires.
  public func type(_ position: Int) throws -> TensorType {
    guard position < types.count, let type = types[position] else {
      throw DataError("input \(position) is missing")
    }
    return type
  }

  public func dtype(_ position: Int) throws -> DType { try type(position).dtype }

  /// The shape of an input, or nil when its rank is not known.
  public func shape(_ position: Int) throws -> [Dim]? { try type(position).shape }

  /// The value of an input, when it is known.
  public func constant(_ position: Int) -> Tensor? {
    position < constants.count ? constants[position] : nil
  }

  /// The value of an integer input as a flat list, when it is known.
  public func ints(_ position: Int) -> [Int]? {
    constant(position)?.converted(to: .int64).array(of: Int64.self).map { Int($0) }
  }

  /// An axis counted from 0.
  /// - Throws: `DataError` when it is outside `-rank..<rank`.
  public static func axis(_ axis: Int, rank: Int) throws -> Int {
    guard axis >= -rank, axis < rank else {
      throw DataError("axis \(axis) is out of range for rank \(rank)")
    }
    return axis < 0 ? axis + rank : axis
  }
}
