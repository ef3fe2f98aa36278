import GraphIR

extension Rule {
  /// a · Gelu(b), for the halves a and b of a value along its last axis, becomes dsd.GEGLU of the value. Exporters write
  /// the halves as one Split or as two Slices.
  public static let geglu: [Rule] = [
    geglu(
      "geglu", op.Split("x").bound(as: "a"), op.Split("x").output(1).bound(as: "b"),
      where: { match, axis, _ in
        guard let split = match.nodes["a"], split.outputs.count == 2, split.name == match.nodes["b"]?.name
        else {
          throw Decline.noMatch
        }
        let given = match.int("a", "axis") ?? 0
        guard given == -1 || given == axis else { throw Decline.noMatch }
      }),
    geglu(
      "geglu-of-slices", op.Slice("x", "start", "end", "axes").bound(as: "a"),
      op.Slice("x", "start2", "end2", "axes2").bound(as: "b"),
      where: { match, axis, half in
        for name in ["axes", "axes2"] {
          let axes = try match.numbers(name)
          guard axes == [-1] || axes == [Double(axis)] else { throw Decline.noMatch }
        }
        for label in ["a", "b"] where try !match.isContiguous(label) { throw Decline.noMatch }
        guard try match.numbers("start") == [0], try match.numbers("end") == [Double(half)],
          try match.numbers("start2") == [Double(half)], try match.numbers("end2")[0] >= Double(2 * half)
        else { throw Decline.noMatch }
      }),
  ]

  private static func geglu(
    _ name: String, _ a: Pattern, _ b: Pattern,
    where condition: @escaping @Sendable (_ match: Match, _ axis: Int, _ half: Int) throws -> Void
  ) -> Rule {
    Rule(
      name, op.Mul(a, op.Gelu(b).bound(as: "gelu")),
      where: { match in
        let (shape, parts) = (try match.shape("x"), [try match.shape("a"), try match.shape("b")])
        guard let last = shape.last, last % 2 == 0,
          parts.allSatisfy({ $0 == shape.dropLast() + [last / 2] })
        else { throw Decline.noMatch }
        try condition(match, shape.count - 1, last / 2)
      },
      replacement: { g, match in
        let kind = match.nodes["gelu"]?.attributes.filter { $0.key == "approximate" } ?? [:]
        return g.emit("GEGLU", domain: "dsd", [match["x"]], kind)[0]
      })
  }
}

extension Match {
  /// Whether a bound Slice takes every element of its range.
  fileprivate func isContiguous(_ label: String) throws -> Bool {
    guard let node = nodes[label], node.inputs.count > 4, !node.inputs[4].isEmpty else { return true }
    guard let steps = context.constants[node.inputs[4]], !context.altered.contains(node.inputs[4]) else {
      return false
    }
    return steps.converted(to: .int64).array(of: Int64.self) == [1]
  }
}
