import GraphIR

extension Attention: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] { try form.gradient(context) }
}

extension AttentionWithLogSumExp: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] { try form.gradient(context) }
}

extension AttentionForm {
  /// Through the result and the log-sum-exp, by the fused operator.
  fileprivate func gradient(_ context: GradientContext) throws -> [Value?] {
    if context.has(4) || context.has(6) {
      throw DataError("has no gradient with a past or with padding lengths")
    }
    for position in 1..<4 where context.outputGradient(position) != nil {
      throw DataError("has no gradient through output \(AttentionForm.outputs[position].name)")
    }
    if context.wants(3) { throw DataError("has no gradient with respect to its mask") }
    // A mask that hides all keys but the first would repeat in our own operators.
    if padsMask, context.has(3), try context.shape(3).last == 1, try context.shape(1).suffix(2).first != 1 {
      throw DataError("has no gradient with a mask that is one key wide")
    }
    // Y is needed beside its own gradient only, so that it need not be kept otherwise.
    let dY = context.outputGradient(0)
    let inputs = [
      context.input(0), context.input(1), context.input(2), context.optional(3),
      dY == nil ? nil : try context.output(), try context.form(.logSumExp), dY, context.outputGradient(4),
    ]
    return context.fused(
      "AttentionGradient", inputs, context.node.attributes.filter { $0.key != "qk_matmul_output_mode" },
      for: 0..<3)
  }
}

extension GradientContext {
  /// Emits a node of our own domain whose outputs are the gradients of the inputs at some positions; those that
  /// nothing wants are not computed.
  func fused(
    _ op: String, _ inputs: [Value?], _ attributes: [String: Attribute], for positions: Range<Int>
  ) -> [Value?] {
    let name = graph.fresh(op)
    let results = positions.map { wants($0) ? Value(graph.fresh("d\($0)")) : nil }
    graph.append(
      Node(
        op, domain: "dsd", name: name, inputs: inputs.map { $0?.name ?? "" },
        outputs: results.map { $0?.name ?? "" }, attributes: attributes))
    return results
  }
}
