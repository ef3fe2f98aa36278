import GraphIR

/// Binds a graph's external tensors by name to the safetensors files of another checkpoint folder.
///
/// The first folder of a tensor's location is its component (`unet`), and its key in the component's file
/// is its name without the first scope: `unet/conv_in.weight` has the key `conv_in.weight`. Small parameters
/// that the graph file holds itself are bound as well; the model's metadata `dsd.inlined` names them with the
/// files they are from. Weights stored in another float type are cast to the graph's. `dsd.checkpoint` is the
/// checkpoint's folder where that is not the graph's.
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
    let home = graph.metadata[checkpointKey].map { $0 + "/" } ?? ""
    try collect(graph, home: home, into: &components)
    for (name, path) in try graph.inlinedParameters() {
      guard let initializer = graph.initializers[name], initializer.external == nil else { continue }
      try add(name, initializer, path, home: home, to: &components)
    }
    var matches: [String: Initializer] = [:]
    var report = Report()
    for (component, wanted) in components.sorted(by: { $0.key < $1.key }) {
      let best = try ComponentFiles(folder: folder, component: component, wanted: wanted).best()
      report.add(best, total: wanted.count)
      matches.merge(best.found) { $1 }
    }
    if let error = report.error(folder) { throw error }
    var bound = graph.replacing(matches)
    bound.metadata[checkpointKey] = nil
    return Result(graph: bound, unused: report.unused)
  }

  /// Model metadata: parameters in the graph file, JSON from their names to the files they are from.
  public static let inlinedKey = "dsd.inlined"
  /// Model metadata: the checkpoint's folder, relative to the graph's.
  public static let checkpointKey = "dsd.checkpoint"

  /// An external tensor of the graph.
  struct Wanted {
    let name: String
    let initializer: Initializer
    let file: String
  }

  private static func collect(
    _ graph: Graph, home: String, into components: inout [String: [Wanted]]
  ) throws {
    for (name, initializer) in graph.initializers {
      guard let path = initializer.external?.path else { continue }
      try add(name, initializer, path, home: home, to: &components)
    }
    for node in graph.nodes {
      for (_, body) in node.subgraphs { try collect(body, home: home, into: &components) }
    }
  }

  private static func add(
    _ name: String, _ initializer: Initializer, _ path: String, home: String,
    to components: inout [String: [Wanted]]
  ) throws {
    guard FolderBoundary.isInside(path) else {
      throw DataError("tensor '\(name)': '\(path)' is not a path inside the graph's folder")
    }
    let parts = (path.hasPrefix(home) ? path.dropFirst(home.count) : path[...]).split(separator: "/")
    let component = parts.count > 1 ? String(parts[0]) : ""
    let file = parts.dropFirst(parts.count > 1 ? 1 : 0).joined(separator: "/")
    components[component, default: []].append(Wanted(name: name, initializer: initializer, file: file))
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
  /// Parameters that the graph file itself holds: their names, and the checkpoint's files they are from.
  /// - Throws: `DataError` when the metadata that tells is malformed.
  public func inlinedParameters() throws -> [(name: String, path: String)] {
    guard var text = metadata[WeightBinder.inlinedKey] else { return [] }
    var result: [(String, String)] = []
    do {
      try text.withUTF8 { bytes in
        var reader = JSONReader(UnsafeRawBufferPointer(bytes))
        try reader.object { name, reader in result.append((name, try reader.string())) }
        try reader.end()
      }
    } catch let error as DataError {
      throw error.at("metadata '\(WeightBinder.inlinedKey)'")
    }
    return result
  }

  /// The graph as it is to be written into a folder above the one that its locations are relative to now.
  /// - Parameter home: that folder, relative to the new one.
  public func relocated(checkpoint home: String) -> Graph {
    var result = movingLocations(into: home)
    result.metadata[WeightBinder.checkpointKey] =
      metadata[WeightBinder.checkpointKey].map { "\(home)/\($0)" } ?? home
    return result
  }

  /// The graph with another folder before the paths of its external tensors, those of bodies too.
  public func movingLocations(into folder: String) -> Graph {
    var result = self
    for (name, initializer) in initializers {
      guard let location = initializer.external else { continue }
      result.initializers[name]?.external?.path = "\(folder)/\(location.path)"
    }
    for (position, node) in nodes.enumerated() {
      for (attribute, body) in node.subgraphs {
        result.nodes[position].attributes[attribute] = .graph(body.movingLocations(into: folder))
      }
    }
    return result
  }

  /// The graph with its external tensors bound by name to the safetensors files of `folder`, a checkpoint
  /// of the same architecture (see ``WeightBinder``).
  public func bindingWeights(from folder: String) throws -> Graph {
    try WeightBinder.bind(self, to: folder).graph
  }

  fileprivate func replacing(_ found: [String: Initializer]) -> Graph {
    var result = self
    var casts: [Node] = []
    let index = GraphIndex(self)
    for (name, initializer) in found.sorted(by: { $0.key < $1.key }) {
      guard let old = result.initializers[name] else { continue }
      // Where the graph casts the weight anyway, any float type will do.
      let isCast = (index.consumers[name] ?? []).allSatisfy { nodes[$0].op == "Cast" }
      if old.external == nil, let tensor = initializer.tensor {
        // What was in the graph file stays there.
        result.initializers[name] = Initializer(isCast ? tensor : tensor.converted(to: old.dtype))
      } else if old.dtype == initializer.dtype || isCast {
        result.initializers[name] = initializer
      } else {
        let stored = "\(name).\(initializer.dtype)"
        result.initializers[name] = nil
        result.initializers[stored] = initializer
        casts.append(
          Node(
            "Cast", name: "\(name)/Cast", inputs: [stored], outputs: [name],
            attributes: ["to": .int(Int(old.dtype.rawValue))]))
      }
    }
    result.nodes.insert(contentsOf: casts, at: 0)
    for (position, node) in result.nodes.enumerated() {
      for (attribute, body) in node.subgraphs {
        result.nodes[position].attributes[attribute] = .graph(body.replacing(found))
      }
    }
    return result
  }
}
