import GraphIR

extension Gelu: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    context.fused(
      "GeluGradient", [context.input(0), try context.gradient()],
      ["approximate": .string(usesTanh ? "tanh" : "none")], for: 0..<1)
  }
}

extension Swish: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    context.fused(
      "SwishGradient", [context.input(0), try context.gradient()], ["alpha": .float(alpha)], for: 0..<1)
  }
}

extension SiLU: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    context.fused("SwishGradient", [context.input(0), try context.gradient()], [:], for: 0..<1)
  }
}

extension SwiGLU: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (g, a, d) = (context.graph, context.input(0), try context.gradient())
    let alpha = ["alpha": Attribute.float(gate.alpha)]
    let first =
      context.wants(0)
      ? context.fused("SwishGradient", [a, g.Mul(d, context.input(1))], alpha, for: 0..<1) : [nil]
    return first + [context.wants(1) ? g.Mul(d, g.Swish(a, attributes: alpha)) : nil]
  }
}
