/// Gives the types of the outputs of the body in an attribute, for types of its inputs.
public typealias BodyTypes = (_ attribute: String, _ inputs: [TensorType?]) throws -> [TensorType?]

/// Runs the body in an attribute on its inputs.
public typealias BodyRun = (_ attribute: String, _ inputs: [RuntimeValue]) throws -> [RuntimeValue]

/// An operator that a kernel call cannot express: one that runs graphs held by its attributes (If, Loop, Scan), or
/// whose inputs or outputs are sequences and optionals.
///
/// A body may use values of the graph around it by name. Who calls the operator hands it a way to run a body or
/// to infer its types, and takes care of such values.
public protocol ValueOperator: Operator {
  /// Types of the outputs; nil where only a run can tell, and for what is no tensor.
  func infer(_ inputs: InferenceInputs, body: BodyTypes) throws -> [TensorType?]

  /// What is known of outputs that are no plain tensors.
  func containers(_ inputs: InferenceInputs) -> [ContainerType?]

  /// The outputs; tensors have memory of their own, or belong to a sequence that came in.
  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) throws -> [RuntimeValue]
}

extension ValueOperator {
  public static var runsHalf: Bool { true }

  public func containers(_ inputs: InferenceInputs) -> [ContainerType?] { [] }

  public func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    throw DataError("its types are not known here")
  }

  public func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    throw DataError("cannot be run here")
  }
}
