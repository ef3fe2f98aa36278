import GraphIR

/// An operator that maps a float tensor element by element.
protocol RealFunction: Operator {
  /// The function; float32 is computed through it where there is no vectorised form.
  func value(_ x: Double) -> Double
  /// The vectorised float32 form.
  var vector: FloatMap? { get }
}

extension RealFunction {
  var vector: FloatMap? { nil }
  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [try inputs.type(0)] }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    if x.dtype == .float64 {
      UnaryKernel.map(x, y, context.pool, from: Double.self, to: Double.self) { value($0) }
    } else if let vector {
      UnaryKernel.map(x, y, context.pool, vector)
    } else {
      UnaryKernel.map(x, y, context.pool, from: Float.self, to: Float.self) { Float(value(Double($0))) }
    }
  }
}

/// An operator that maps a tensor of any number type element by element.
protocol NumberFunction: Operator {
  static func apply<T: ArithmeticElement>(_ x: T) -> T
  static var vector: FloatMap? { get }
}

extension NumberFunction {
  static var vector: FloatMap? { nil }
  var aliasing: Aliasing { .inPlace([0]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [try inputs.type(0)] }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0] else { return }
    if x.dtype == .float32, let vector = Self.vector {
      return UnaryKernel.map(x, y, context.pool, vector)
    }
    try x.dtype.visit(NumberFunctionRun<Self>(x: x, y: y, pool: context.pool))
  }
}

private struct NumberFunctionRun<Function: NumberFunction>: ArithmeticVisitor {
  let x: Tensor
  let y: Tensor
  let pool: ThreadPool

  func visit<T: ArithmeticElement>(_ type: T.Type) {
    UnaryKernel.map(x, y, pool, from: type, to: type) { Function.apply($0) }
  }
}

extension Schema {
  /// X of type T to Y of the same type and shape.
  static func map(
    _ name: String, domain: String = "", since: Int, types: Set<DType> = .floats,
    attributes: [String: Default] = [:]
  ) -> Schema {
    Schema(
      name, domain: domain, since: since, inputs: ["X: T"], outputs: ["Y: T"], types: ["T": types],
      attributes: attributes)
  }

  /// A and B of type T, broadcast, to C of the same type.
  static func arithmetic(
    _ name: String, since: Int, types: Set<DType> = .numbers, attributes: [String: Default] = [:]
  ) -> Schema {
    Schema(
      name, since: since, inputs: ["A: T", "B: T"], outputs: ["C: T"], types: ["T": types],
      attributes: attributes)
  }
}

/// A function of one tensor, element by element, that is differentiated through its derivative.
protocol DifferentiableFunction: DifferentiableOperator {
  /// Emits dy/dx · d, where `d` is the gradient of y.
  func derivative(_ context: GradientContext, _ x: Value, _ y: Value, times d: Value) throws -> Value
}

extension DifferentiableFunction {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    [try derivative(context, context.input(0), try context.output(), times: try context.gradient())]
  }
}

/// A function that is flat wherever it is smooth.
protocol FlatFunction: DifferentiableOperator {}

extension FlatFunction {
  func gradient(_ context: GradientContext) throws -> [Value?] { [nil] }
}
