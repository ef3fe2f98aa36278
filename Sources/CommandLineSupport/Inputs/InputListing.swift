/// What a graph takes and how to give it, for people who have not given it.
public struct InputListing {
  private let graph: Graph
  /// Names of the inputs' symbolic dimensions, in order.
  let symbols: [String]

  /// How many inputs are listed.
  private static let limit = 40

  public init(_ graph: Graph) {
    self.graph = graph
    var seen: Set<String> = []
    symbols = graph.inputs.flatMap { $0.type?.shape ?? [] }.compactMap { dim in
      guard case .symbol(let name) = dim, seen.insert(name).inserted else { return nil }
      return name
    }
  }

  /// The inputs as indented lines, and the forms in which they may be given.
  /// - Parameter given: names of those that are there; nil says nothing about it.
  public func text(given: Set<String>? = nil) -> String {
    var table = TextTable(["input", "type", "shape", ""])
    for info in graph.inputs.prefix(InputListing.limit) {
      let isOptional = graph.initializers[info.name] != nil
      let state = given.map { $0.contains(info.name) ? "given" : isOptional ? "optional" : "missing" }
      table.rows.append([
        info.name, InputListing.type(info), InputListing.shape(info.type),
        state ?? (isOptional ? "optional" : ""),
      ])
    }
    var lines = table.text.split(separator: "\n").map(String.init)
    if graph.inputs.count > InputListing.limit {
      lines.append("… and \(graph.inputs.count - InputListing.limit) more (dsd inspect lists all)")
    }
    lines.append("give each as --input NAME=VALUE, where VALUE is one of")
    lines.append("  \(InputSource.forms)")
    lines.append("or all that are left as --fill zeros, ones or random[:SEED]")
    if !symbols.isEmpty {
      let names = symbols.prefix(6).joined(separator: ", ") + (symbols.count > 6 ? ", …" : "")
      lines.append("with --dim NAME=N for dimensions that no file settles: \(names)")
    }
    return lines.map { "  " + Terminal.printable($0).replacing("\n", with: "\\n") }.joined(separator: "\n")
  }

  /// The outputs as indented lines.
  public func outputs() -> String {
    var table = TextTable(["output", "type", "shape"])
    for info in graph.outputs.prefix(InputListing.limit) {
      table.rows.append([info.name, InputListing.type(info), InputListing.shape(info.type)])
    }
    return table.text.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n")
  }

  /// `; did you mean 'x'?` where a value's name is close.
  public func suggestion(_ name: String) -> String {
    let names = graph.inputs.map(\.name) + graph.outputs.map(\.name)
    let near = names.map { ($0, InputListing.distance(name, $0)) }.min { $0.1 < $1.1 }
    guard let near, near.1 <= max(1, name.count / 3) else { return "" }
    return "; did you mean '\(near.0)'?"
  }

  private static func type(_ info: ValueInfo) -> String {
    info.type?.dtype.description ?? info.container?.description ?? "?"
  }

  private static func shape(_ type: TensorType?) -> String {
    type?.shape.map { "[" + $0.map(\.description).joined(separator: ", ") + "]" } ?? "any"
  }

  /// Insertions, deletions and replacements of letters that make one name of the other, letters' case aside.
  private static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.lowercased().prefix(64)), Array(b.lowercased().prefix(64)))
    var row = Array(0...b.count)
    for (i, x) in a.enumerated() {
      var corner = row[0]
      row[0] = i + 1
      for (j, y) in b.enumerated() {
        let replaced = corner + (x == y ? 0 : 1)
        corner = row[j + 1]
        row[j + 1] = min(replaced, corner + 1, row[j] + 1)
      }
    }
    return row[b.count]
  }
}
