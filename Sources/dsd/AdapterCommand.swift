import CommandLineSupport

struct AdapterCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "adapter",
    abstract: "Make an adapter's file as it is before anything is learned.",
    discussion: """
      ADAPTER is \(AdapterSpec.forms).
      Prompt tokens may start from words; the rest is drawn from the seed. LoRA changes nothing at first.
      """)

  @Argument(help: "The graph file that the adapter is for.")
  var graph: String

  @Argument(help: "The adapter and its size.")
  var adapter: String

  @Option(name: .shortAndLong, help: "The adapter's file (.safetensors).")
  var output: String

  @Option(help: "The seed of random values.")
  var seed: UInt64 = 0

  @Option(help: "Words whose embeddings the prompt tokens start from, such as \"a photo of\".")
  var words: String?

  @Option(
    help: "Draw every value, LoRA's B as well, around 0 with this standard deviation: adapters to test with.")
  var deviation: Float?

  @OptionGroup(title: "Graph") var arguments: GraphArguments

  func run() throws {
    let adapter = try AdapterSpec(self.adapter).adapter
    if let deviation, !deviation.isFinite || deviation < 0 {
      throw ValidationError("--deviation: \(deviation) is not a deviation")
    }
    let loaded = try arguments.load(graph, needsWeights: words != nil)
    var start: [String: Tensor] = [:]
    if let words {
      guard adapter is PromptTokens else { throw UsageError("--words: only prompt tokens start from words") }
      let description = try PipelineDescription(from: loaded.graph)
      start = try PipelineTokenizers(description, of: loaded.graph, folder: loaded.assets)
        .promptStart(words, in: loaded.graph)
    }
    let initial = InitialValues(seed: seed, given: start)
    let adapted = try adapter.attached(to: loaded.graph, .standard) { tensor in
      guard let deviation, start[tensor.key] == nil else { return try initial(tensor) }
      return try initial(tensor.starting(.normal(deviation: deviation)))
    }
    try AdapterFile.write(adapted, to: output)
    let numbers = adapted.learned.reduce(0) { $0 + Shape.count($1.shape) }
    print(
      "\(output): \(adapter.kind), \(adapted.learned.count) tensors, \(Terminal.count(numbers)) numbers")
  }
}
