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
    let shared = try context.group.map { group in
      guard let cache = context.cache else {
        throw UsageError("mpirun: --method head needs --cache, which the processes fill together")
      }
      return try SharedResults(path: cache, group: group)
    }
    let evaluation = try Evaluation(
      context.loaded, items: context.items, images: context.images, options: options,
      results: try shared?.file ?? context.cache.map { try ResultsFile(path: $0) })
    let choice = evaluation.choices.last!
    func tell(_ state: Evaluation.Progress) { context.progress?("items", state.items, state.allItems) }
    if let shared {
      try shared.run(evaluation, isForAll: true, progress: tell)
    } else {
      try evaluation.run(progress: tell)
    }
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
