/// An operator that runs graphs held by its attributes: If, Loop and Scan.
///
/// A body may use values of the graph around it by name. Who calls the operator hands it a way to run a body or
/// to infer its types, and takes care of such values.
public protocol ControlFlow: Operator {
  /// Types of the outputs; nil where only a run can tell.
  /// - Parameter body: the types of the outputs of the body in an attribute, for types of its inputs.
  func infer(
    _ inputs: InferenceInputs, body: (String, [TensorType?]) throws -> [TensorType?]
  ) throws -> [TensorType?]

  /// The outputs, in memory of their own.
  /// - Parameter body: runs the body in an attribute on its inputs.
  func run(_ inputs: [Tensor?], body: (String, [Tensor]) throws -> [Tensor]) throws -> [Tensor]
}

extension ControlFlow {
  public func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    throw DataError("the types of its bodies are not known here")
  }

  public func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    throw DataError("its bodies cannot be run here")
  }
}
