import GraphIR

/// Binds a graph's external tensors by name to the safetensors files of another checkpoint folder.
///
/// The first folder of a tensor's location is its component (`unet`), and its key in the component's file
/// is its name without the first scope: `unet/conv_in.weight` has the key `conv_in.weight`.
public struct WeightBinder {
  /// What binding gives.
  public struct Result: Sendable {
    /// The graph with every external tensor bound; its locations are relative to the new folder.
    public let graph: Graph
    /// Tensors of the files that the graph does not use (`unet/…`), such as buffers of position ids.
    public let unused: [String]
  }

  /// How many tensors an error lists.
  static let listLimit = 20

  /// - Throws: `DataError` with a summary line and up to 20 indented lines that name what is missing, has
  ///   another shape or type, or is left over.
  public static func bind(_ graph: Graph, to folder: String) throws -> Result {
    _ = try FolderBoundary(folder)
    var components: [String: [Wanted]] = [:]
    try collect(graph, into: &components)
    var matches: [String: Initializer] = [:]
    var report = Report()
    for (component, wanted) in components.sorted(by: { $0.key < $1.key }) {
      let best = try ComponentFiles(folder: folder, component: component, wanted: wanted).best()
      report.add(best, total: wanted.count)
      matches.merge(best.found) { $1 }
    }
    if let error = report.error(folder) { throw error }
    return Result(graph: graph.replacing(matches), unused: report.unused)
  }

  /// An external tensor of the graph.
  struct Wanted {
    let name: String
    let initializer: Initializer
    let file: String
  }

  private static func collect(_ graph: Graph, into components: inout [String: [Wanted]]) throws {
    for (name, initializer) in graph.initializers {
      guard let path = initializer.external?.path else { continue }
      guard FolderBoundary.isInside(path) else {
        throw DataError("tensor '\(name)': '\(path)' is not a path inside the graph's folder")
      }
      let parts = path.split(separator: "/")
      let component = parts.count > 1 ? String(parts[0]) : ""
      let file = parts.dropFirst(parts.count > 1 ? 1 : 0).joined(separator: "/")
      components[component, default: []].append(Wanted(name: name, initializer: initializer, file: file))
    }
    for node in graph.nodes { for (_, body) in node.subgraphs { try collect(body, into: &components) } }
  }

  /// Everything that does not fit, of all components.
  private struct Report {
    var missing: [String] = []
    var mismatched: [String] = []
    var unused: [String] = []
    var total = 0

    mutating func add(_ match: ComponentFiles.Match, total: Int) {
      self.total += total
      missing += match.missing
      mismatched += match.mismatched
      unused += match.unused
    }

    func error(_ folder: String) -> DataError? {
      guard !missing.isEmpty || !mismatched.isEmpty else { return nil }
      var lines = [
        "\(folder): the weights do not fit the graph: of \(total) tensors, \(missing.count) are missing and "
          + "\(mismatched.count) have another shape or type; \(unused.count) more are not in the graph"
      ]
      let all = mismatched + missing.map { "\($0): missing" } + unused.map { "\($0): not in the graph" }
      lines += all.prefix(listLimit).map { "  " + $0 }
      if all.count > listLimit { lines.append("  … and \(all.count - listLimit) more") }
      return DataError(lines.joined(separator: "\n"))
    }
  }
}

extension Graph {
  /// The graph with its external tensors bound by name to the safetensors files of `folder`, a checkpoint
  /// of the same architecture (see ``WeightBinder``).
  public func bindingWeights(from folder: String) throws -> Graph {
    try WeightBinder.bind(self, to: folder).graph
  }

  fileprivate func replacing(_ found: [String: Initializer]) -> Graph {
    var result = self
    for (name, initializer) in found where result.initializers[name]?.external != nil {
      result.initializers[name] = initializer
    }
    for (position, node) in nodes.enumerated() {
      for (attribute, body) in node.subgraphs {
        result.nodes[position].attributes[attribute] = .graph(body.replacing(found))
      }
    }
    return result
  }
}
