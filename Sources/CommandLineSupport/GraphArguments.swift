import Foundation

/// The precision of products as the command line names it.
public enum PrecisionArgument: String, ExpressibleByArgument, CaseIterable {
  case fp32, bf16

  var value: ProductPrecision {
    switch self {
    case .fp32: .float32
    case .bf16: .bfloat16
    }
  }
}

/// What memory weights may take, as the command line names it.
extension MemoryUse: ExpressibleByArgument {}

/// What weights are stored as.
public enum QuantizeArgument: String, ExpressibleByArgument, CaseIterable {
  case int8
}

/// Options that every command on a graph has.
public struct GraphArguments: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Take the weights by name from another checkpoint folder of the same architecture.",
      valueName: "folder"))
  public var weights: String?

  @Option(
    help: ArgumentHelp(
      "Attach prompt tokens, key and value tokens or LoRA (may be given several times).", valueName: "file"))
  public var adapter: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      What factors of products are rounded to: fp32 or bf16. Sums and all else stay float32; a node of the file may ask \
      for its own.
      """, valueName: "type"))
  public var precision: PrecisionArgument?

  @Option(
    help: ArgumentHelp(
      """
      Memory for weights: full, or low, where they stay as they are stored and each is turned into float32 when it is \
      needed.
      """, valueName: "use"))
  public var memory: MemoryUse?

  @Option(
    help: ArgumentHelp(
      "Store the weights of products and convolutions as int8, a scale for each output channel.",
      valueName: "type"))
  public var quantize: QuantizeArgument?

  @Option(help: "Threads to compute with (default: one for each core).")
  public var threads: Int?

  public init() {}

  public func validate() throws {
    if let threads, threads < 1 || threads > 1024 {
      throw ValidationError("--threads: \(threads) is not between 1 and 1024")
    }
  }

  public var threadCount: Int {
    if let threads { return threads }
    let all = ProcessInfo.processInfo
    // Processes that mpirun has started on one machine share its cores.
    guard let local = all.environment["OMPI_COMM_WORLD_LOCAL_SIZE"].flatMap({ Int($0) }), local > 1 else {
      return all.activeProcessorCount
    }
    return max(1, min(all.activeProcessorCount, all.processorCount / local))
  }

  /// A pool of the asked-for size.
  public func pool() -> ThreadPool { ThreadPool(threads: threadCount) }

  /// Reads, checks and binds a graph file.
  /// - Parameter needsWeights: whether a graph without its weights is an error.
  public func load(_ path: String, needsWeights: Bool = true) throws -> LoadedGraph {
    let loaded = try LoadedGraph(
      path: path, weights: weights, adapters: adapter, precision: precision?.value, memory: memory,
      quantizes: quantize != nil, needsWeights: needsWeights || quantize != nil)
    for note in loaded.notes { Terminal.note("note: " + note) }
    if let weights, let first = loaded.unusedWeights.first {
      Terminal.note(
        "note: \(weights) has \(loaded.unusedWeights.count) tensors that the graph does not use, "
          + "such as '\(first)'")
    }
    return loaded
  }
}
