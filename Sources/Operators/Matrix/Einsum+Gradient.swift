import GraphIR

extension Einsum: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let terms = equation.operands + [equation.result]
    guard
      !terms.contains(where: {
        $0.hasEllipsis || Set($0.after + $0.before).count != $0.before.count + $0.after.count
      })
    else { throw DataError("has no gradient with '...' or a letter twice in one operand") }
    let (g, d) = (context.graph, try context.gradient())
    let letters = equation.operands.map { $0.before + $0.after }
    let result = equation.result.before + equation.result.after
    return try letters.indices.map { position in
      guard context.wants(position) else { return nil }
      let others = letters.indices.filter { $0 != position }
      let known = Set(result + others.flatMap { letters[$0] })
      let shape = try context.shape(position)
      for (letter, extent) in zip(letters[position], shape) where extent == 1 {
        let joined = try others.contains { other in
          try zip(letters[other], context.shape(other)).contains { $0.0 == letter && $0.1 != 1 }
        }
        if joined { throw DataError("has no gradient where an axis of 1 is spread") }
      }
      // Axes that only this operand has were summed away: all their elements have the same gradient.
      let own = letters[position].filter(known.contains)
      let left = ([result] + others.map { letters[$0] }).map { String(decoding: $0, as: UTF8.self) }
      let product = g.emit(
        "Einsum", [d] + others.map { context.input($0) },
        ["equation": .string("\(left.joined(separator: ","))->\(String(decoding: own, as: UTF8.self))")])[0]
      if own.count == letters[position].count { return product }
      let kept = zip(letters[position], shape).map { known.contains($0) ? $1 : 1 }
      return context.spread(context.reshape(product, kept), shape)
    }
  }
}
