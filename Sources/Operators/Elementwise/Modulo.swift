import GraphIR

/// C = A mod B: with the sign of B (`fmod` 0) or of A (`fmod` 1).
/// An integer divisor of 0 is a `DataError`.
struct Mod: Operator {
  static let schema = Schema.arithmetic("Mod", since: 13, attributes: ["fmod": .int(0)])
  let truncated: Bool

  init(_ attributes: Attributes) throws { truncated = try attributes.bool("fmod") }

  var aliasing: Aliasing { .inPlace([0, 1]) }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] { [try Elementwise.pairType(inputs)] }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let a = inputs[0], let b = inputs[1], let y = outputs[0] else { return }
    if y.dtype.isInteger, y.count > 0, try BinaryKernel.hasZero(b) {
      throw DataError("integer division by zero")
    }
    try y.dtype.visit(Run(a: a, b: b, y: y, pool: context.pool, truncated: truncated))
  }

  private struct Run: ArithmeticVisitor {
    let a: Tensor
    let b: Tensor
    let y: Tensor
    let pool: ThreadPool
    let truncated: Bool

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      BinaryKernel.map(a, b, y, pool, (type, type, type)) { T.remainder($0, $1, truncated: truncated) }
    }
  }
}
