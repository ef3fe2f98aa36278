import CommandLineSupport
import Foundation

/// Any graph: values in, values out.
extension RunCommand {
  func runGraph(_ path: String, _ scoring: HookSpec?, _ specs: [HookSpec]) throws {
    if let scoring {
      let options = try matching.options(scoring)
      guard options.positions == .all, options.normalize == .none, options.pooling != .mass else {
        throw UsageError("--positions content, --pooling mass and --normalize need --image and --text")
      }
    }
    let loaded = try arguments.load(path)
    var inputs = try GraphInputs(input, dims: dims.extents(), of: loaded.graph, at: path)
    let files = try outputFiles(loaded.graph, path)
    // With a hook and no --output, only what the hook wants is computed.
    let wanted = files.isEmpty ? (specs.isEmpty || onlyReplaces(specs) ? nil : []) : files.map(\.name)
    let (extra, captures) = try makeHooks(specs)
    try complete(&inputs, loaded.graph, path, wanted, extra)
    try inputs.read()
    let pool = arguments.pool()
    var score: AttentionScore?
    if matching.adaptive { throw ValidationError("--adaptive needs --image and --text") }
    if matching.head != nil { throw ValidationError("--head needs --image and --text") }
    if let scoring {
      let options = try matching.options(scoring)
      score = AttentionScore(
        selection: options.layers, pooling: options.pooling, batch: batch(loaded.graph, inputs.feeds))
    }
    var hooks = extra
    if let score { hooks.append(score) }
    let note: (@Sendable (String) -> Void)? = declined ? { @Sendable in Terminal.note($0) } : nil
    let preparation: Preparation
    do {
      preparation = try Preparation(
        loaded.graph, .standard,
        inputs: inputs.feeds.mapValues { TensorType($0.dtype, $0.shape) }, outputs: wanted,
        hooks: hooks, rewrites: [RuleSet.recognition, RuleSet.fusion], pool: pool, trace: note)
    } catch let error as DataError {
      throw error.at(path)
    }
    for capture in captures { try capture.checkSelection() }
    let plan = try Plan(preparation)
    let results = try timed(plan, inputs.feeds.merging(preparation.supplied) { $1 })
    for file in files {
      guard let tensor = results[file.name]!.tensor else {
        throw DataError("output '\(file.name)' is \(results[file.name]!.label), which no .npy file holds")
      }
      try NPYFile.write(tensor, to: file.path)
    }
    for capture in captures { try capture.finish() }
    if let score { try printScore(score) }
    if score == nil, wanted == nil {
      let summary = OutputSummary(preparation.graph.outputs.map { ($0.name, results[$0.name]!) })
      print(json ? try summary.json : summary.table)
    }
  }

  /// The values to write and where, checked before the work that makes them.
  private func outputFiles(_ graph: Graph, _ path: String) throws -> [(name: String, path: String)] {
    let values = graph.valueNames
    var names: Set<String> = []
    var paths: Set<String> = []
    if let trace {
      try OutputCheck.file(trace)
      paths.insert(URL(fileURLWithPath: trace).standardizedFileURL.path)
    }
    return try output.map { item in
      let (name, file) = item.parted(by: values)
      let listing = InputListing(graph)
      guard values.contains(name) else {
        throw DataError(
          "\(path): has no value '\(name)' to write\(listing.suggestion(name))\n\(listing.outputs())")
      }
      let whole = URL(fileURLWithPath: file).standardizedFileURL.path
      guard names.insert(name).inserted, paths.insert(whole).inserted || whole == "/dev/null" else {
        throw UsageError("--output \(name)=\(file) repeats a name or a file")
      }
      try OutputCheck.file(file)
      return (name, file)
    }
  }

  /// Inputs that are missing are made up where `--fill` says so, or else told with all that the graph takes.
  private func complete(
    _ inputs: inout GraphInputs, _ graph: Graph, _ path: String, _ wanted: [String]?, _ hooks: [any Hook]
  ) throws {
    var there = inputs.names
    for hook in hooks { there.formUnion(try hook.supplies(graph).keys) }
    // Hooks alone get what the inputs reach, so made-up inputs are those of the whole graph.
    let all = graph.outputs.map(\.name)
    let goal = fill != nil && wanted == [] ? all : wanted ?? all
    let missing = graph.sliced(to: goal, given: there).requiredInputs.map(\.name)
      .filter { !there.contains($0) }
    if let fill { return inputs.add(missing, fill) }
    guard !missing.isEmpty else { return }
    let names = missing.prefix(3).map { "'\($0)'" }.joined(separator: ", ")
    throw DataError(
      "\(path): missing input\(missing.count > 1 ? "s" : "") \(names)\(missing.count > 3 ? ", …" : "")\n"
        + InputListing(graph).text(given: there))
  }

  /// Runs once or as often as asked, and tells the times.
  private func timed(_ plan: Plan, _ feeds: [String: Tensor]) throws -> [String: RuntimeValue] {
    let profile = self.profile || trace != nil ? Profile(keepsEvents: trace != nil) : nil
    let values = feeds.mapValues(RuntimeValue.tensor)
    var results: [String: RuntimeValue] = [:]
    for _ in 0..<`repeat` {
      let start = Date()
      results = try plan.runValues(values, profile: profile)
      if `repeat` > 1 { Terminal.note(String(format: "run: %.4f s", Date().timeIntervalSince(start))) }
    }
    guard let profile else { return results }
    if self.profile {
      Terminal.note(
        ProfileReport.table(profile, depth: scopeDepth, peak: ProductPeak.measure(arguments.pool())))
    }
    if let trace {
      try TraceFile(profile).write(to: trace)
      if profile.droppedEvents > 0 {
        Terminal.note("note: \(trace) has the first \(Profile.eventLimit) runs of nodes only")
      }
    }
    return results
  }

  private func onlyReplaces(_ specs: [HookSpec]) -> Bool { specs.allSatisfy { $0.name == "replace" } }

  /// The first extent of the first fed input of the graph.
  private func batch(_ graph: Graph, _ feeds: [String: Tensor]) -> Int {
    for info in graph.inputs { if let tensor = feeds[info.name], tensor.rank > 1 { return tensor.shape[0] } }
    return 1
  }

  private func printScore(_ score: AttentionScore) throws {
    let perLayer = try score.layerScores()
    let layers = score.layers.map(\.name)
    let means = (0..<score.batch).map { element in
      perLayer.reduce(0) { $0 + $1[element] } / Double(max(perLayer.count, 1))
    }
    if json {
      struct Result: Encodable {
        let layers: [String]
        let per_layer: [[Double]]
        let attention: [Double]
      }
      print(try JSONText.encode(Result(layers: layers, per_layer: perLayer, attention: means)))
      return
    }
    var table = TextTable(
      ["layer"] + (0..<score.batch).map { "element \($0)" }, right: Set(1...max(score.batch, 1)))
    for (layer, values) in zip(layers, perLayer) {
      table.rows.append([layer] + values.map { String(format: "%.6f", $0) })
    }
    table.rows.append(["mean"] + means.map { String(format: "%.6f", $0) })
    print(table.text)
  }
}
