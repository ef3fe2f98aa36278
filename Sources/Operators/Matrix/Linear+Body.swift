import GraphIR

extension Linear: ComposedOperator {
  func body(_ call: Composition) throws -> [Value?] {
    let product = call.g.MatMul(try call.input(0), call.transpose(try call.input(1), [1, 0]))
    return [call.optional(2).map { call.g.Add(product, $0) } ?? product]
  }
}
