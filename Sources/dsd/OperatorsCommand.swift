import CommandLineSupport

struct OperatorsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "operators",
    abstract: "List the operators that graphs may use, as a Markdown page.",
    discussion: "What it prints is Specs/operators.md.")

  func run() throws {
    let operators = OperatorSet.standard
    let schemas = operators.all.map { ($0.schema, $0.runsHalf, $0 is any DifferentiableOperator.Type) }
    let standard = schemas.filter { $0.0.domain != "dsd" }
    let own = schemas.filter { $0.0.domain == "dsd" }
    print(
      """
      # Operators

      `dsd operators` prints this page from the schemas in `Sources/Operators`. Graphs may use the operators
      of ONNX's default domain (and one of a domain that is named) at opsets \(operators.oldestOpset) to \(operators.newestOpset). *Since* is the
      version whose form the schema has; what an operator reads of older forms is told in its source file.

      `?` marks an optional input or output, `*` any number of them. A parameter without a type takes every
      element type. Sets of types: floats is \(Self.types(.floats, named: false)); integers is int8 to int64
      and uint8 to uint64; numbers is floats and integers; all is numbers and bool; storable is all and the
      types that are only stored, moved and converted: float8e4m3fn, float8e4m3fnuz, float8e5m2,
      float8e5m2fnuz, float8e8m0, float4e2m1, int4, uint4, int2, uint2. *16-bit* is how float16 and bfloat16
      run: *own* as they are, *widened* to float32 and rounded afterwards. *Gradient* tells what can be
      differentiated through.

      ## ONNX's domains: \(standard.count) operators

      \(Self.table(standard))

      ## Domain `dsd`: \(own.count) operators

      Rewrites put these into a plan; files that the tools write do not hold them.

      \(Self.table(own))
      """)
  }

  private static func table(_ schemas: [(Schema, Bool, Bool)]) -> String {
    var lines = [
      "| Operator | Since | Inputs → outputs | Types | Attributes | 16-bit | Gradient |",
      "|---|---|---|---|---|---|---|",
    ]
    for (schema, runsHalf, hasGradient) in schemas {
      let variables = schema.types.sorted { $0.key < $1.key }
        .map { "\($0.key): \(types($0.value, named: true))" }
      let attributes = schema.attributes.sorted { $0.key < $1.key }
        .map { "\($0.key)\(text($0.value).map { " = \($0)" } ?? "")" }
      let half = schema.types.values.contains { !$0.isDisjoint(with: [.float16, .bfloat16]) }
      let cells = [
        schema.domain.hasPrefix("ai.onnx") ? "\(schema.name) (\(schema.domain))" : schema.name,
        String(schema.since),
        "\(text(schema.inputs)) → \(text(schema.outputs))",
        variables.joined(separator: "; "), attributes.joined(separator: ", "),
        half || schema.types.isEmpty ? (runsHalf ? "own" : "widened") : "–",
        hasGradient ? "yes" : "–",
      ]
      lines.append("| " + cells.map { $0.isEmpty ? "–" : $0 }.joined(separator: " | ") + " |")
    }
    return lines.joined(separator: "\n")
  }

  private static func text(_ parameters: [Schema.Parameter]) -> String {
    guard !parameters.isEmpty else { return "()" }
    return parameters.map { parameter in
      let mark = parameter.isVariadic ? "\\*" : parameter.isOptional ? "?" : ""
      return parameter.name + mark + (parameter.type.map { ": \($0)" } ?? "")
    }.joined(separator: ", ")
  }

  /// A set of element types, by its name where it has one.
  private static func types(_ set: Set<DType>, named: Bool) -> String {
    let sets: [(String, Set<DType>)] = [
      ("storable", .storable), ("all", .all), ("numbers", .numbers), ("floats", .floats),
      ("integers", .integers),
    ]
    if named, let known = sets.first(where: { $0.1 == set }) { return known.0 }
    return set.map { "\($0)" }.sorted().joined(separator: ", ")
  }

  private static func text(_ value: Schema.Default) -> String? {
    switch value {
    case .int(let value): "\(value)"
    case .float(let value): "\(value)"
    case .string(let value): "'\(value)'"
    case .ints(let list): "\(list)"
    case .floats(let list): "\(list)"
    case .strings(let list): "\(list)"
    case .none: nil
    }
  }
}
