import GraphIR

/// Learns a head: the model runs once for each item, and what it says is kept.
struct HeadMethod: TrainingMethod {
  let head: Head
  let defaultLearningRate = 0.01
  let defaultLayers = LayerSelection.all

  /// - Throws: `DataError` when there is no such head, or nothing in it to learn.
  init(_ argument: String?) throws {
    guard let argument, !argument.isEmpty else {
      throw UsageError("--method head: which one? head:NAME (\(Head.names)) or head:FILE.pb")
    }
    head = try Head(argument)
    guard !head.learned.isEmpty else { throw DataError("--method: head '\(head.name)' has nothing to learn") }
  }

  func prepare(_ context: TrainingContext) throws -> PreparedTraining {
    guard context.words == nil else { throw UsageError("--init: a head does not begin from words") }
    var options = EvaluationOptions()
    options.matching = context.matching
    options.variants = []
    options.heads = [head]
    options.layers = [("", context.matching.layers)]
    options.threads = context.threads
    let evaluation = try Evaluation(
      context.loaded, items: context.items, images: context.images, options: options, results: context.cache)
    let choice = evaluation.choices.last!
    try evaluation.run { context.progress?("items", $0.items, $0.allItems) }
    var known: [Int: HeadTerms] = [:]
    let objective = try HeadObjective(head, loss: context.loss) { place in
      if let terms = known[place] { return terms }
      let terms = try evaluation.headTerms(of: place, choice)
      known[place] = terms
      return terms
    }
    var digest = SHA256()
    digest.update(try GraphWriter.bytes(head.graph))
    let layers = choice.layers?.indices.map { evaluation.layers[$0] } ?? []
    return PreparedTraining(
      objective: objective, rule: head.rule, timesteps: evaluation.timesteps,
      settings: ["head": digest.hex, "selection of layers": layers.joined(separator: ",")]
    ) { learned, path in
      let trained = try objective.head.trained(
        learned, layers: layers, timesteps: evaluation.timesteps, terms: context.matching.terms ?? .both)
      try GraphWriter.write(trained.graph, to: path)
    }
  }
}
