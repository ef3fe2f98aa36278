/// An evaluation as a results file has it: items, their terms and the table, without the model.
public struct StoredEvaluation {
  public let run: ResultsFile.Run
  /// What the run was asked for, or what was asked of it afterwards.
  public let options: EvaluationOptions
  public let timesteps: [Int]
  /// Names of the cross-attention layers.
  public let layers: [String]
  /// How many attention heads each layer has.
  public let headCounts: [Int]
  /// The table's rows.
  public let choices: [ScoreChoice]
  /// Items with their terms.
  public let answered: [(item: EvaluationItem, terms: MatchingTerms)]
  /// Items whose terms are not all there.
  public let unanswered: Int
  /// What of the run could not be taken over, such as heads whose files are gone.
  public let notes: [String]
  private let identities: [ItemIdentity]

  /// What an answered item's image is found by.
  public func imageDigest(item: Int, image: Int) -> String { identities[item].images[image] }

  /// Whether a source has the image that was scored.
  /// - Throws: `DataError` when it cannot be read.
  public func isSame(_ image: ImageReference, _ digest: String, _ source: ImageSource) throws -> Bool {
    try ItemIdentities.digest(image, source, noise: nil) == digest
  }

  /// What to make of a run's terms; nil leaves it as the run had it.
  public struct Changes {
    public var variants: [NormalizedVariant]?
    public var layers: [(name: String, selection: LayerSelection)]?
    public var terms: MatchingOptions.Terms?
    public var heads: [Head]?
    /// Of the run's noise levels only those at these timesteps.
    public var timesteps: [Int]?
    /// Only these tasks or categories.
    public var tasks: [String]?

    public init() {}
  }

  /// - Parameter number: the run's number in the file; the last one when nil.
  /// - Throws: `DataError` that names the file: no such run, terms that it does not hold, damage.
  public init(_ file: ResultsFile, run number: Int? = nil, _ changes: Changes = Changes()) throws {
    do {
      try self.init(of: file, number, changes)
    } catch let error as DataError {
      throw error.message.hasPrefix(file.path) ? error : error.at(file.path)
    }
  }

  private init(of file: ResultsFile, _ number: Int?, _ changes: Changes) throws {
    let runs = try file.runs()
    guard let run = number.map({ number in runs.first { $0.number == number } }) ?? runs.last else {
      throw DataError(
        number.map { "has no run \($0); it has \(runs.map { "\($0.number)" }.joined(separator: ", "))" }
          ?? "holds no run: --results of dsd eval puts it down")
    }
    self.run = run
    let about = run.description
    var options = EvaluationOptions()
    options.variants = try changes.variants ?? about.variants.map { try NormalizedVariant($0) }
    options.layers = changes.layers ?? about.layers.map { ($0.name, LayerSelection($0.selection)) }
    options.matching.terms = changes.terms ?? MatchingOptions.Terms(rawValue: about.score)
    options.matching.officialCompat = about.officialCompat
    var levels = about.levels
    if let wanted = changes.timesteps {
      let missing = wanted.first { timestep in !levels.contains { $0.timestep == timestep } }
      if let missing {
        throw DataError(
          "--timesteps: the run has no \(missing), only \(levels.map { "\($0.timestep)" }.joined(separator: ","))"
        )
      }
      levels = levels.filter { wanted.contains($0.timestep) }
    }
    options.matching.timesteps = levels.map(\.timestep)
    var notes: [String] = []
    if let heads = changes.heads {
      options.heads = heads
    } else {
      // Those of the run where they are there and fit what is asked now.
      let names = try file.model(graph: about.graph, weights: about.weights)?.layers ?? []
      for text in about.origin.heads {
        do {
          var own = options
          own.heads = [try Head(text)]
          _ = try own.choices(layers: names, timesteps: levels.map(\.timestep))
          options.heads += own.heads
        } catch let error as DataError { notes.append("head \(text) is left out: \(error.message)") }
      }
    }
    self.notes = notes
    self.options = options
    timesteps = levels.map(\.timestep)
    guard options.values.isEmpty else { throw DataError("a head reads values that no file of results keeps") }

    let model = try file.model(graph: about.graph, weights: about.weights)
    let shape = options.shape
    let readsLayers = !shape.variants.isEmpty || shape.hasHeads
    layers = readsLayers ? model?.layers ?? [] : []
    headCounts = shape.hasHeads ? model?.heads ?? [] : []
    choices = try options.choices(layers: layers, timesteps: timesteps)
    let layout = TermLayout(
      shape: shape, officialCompat: about.officialCompat, steps: levels.count, layers: layers.count,
      heads: headCounts.reduce(0, +), empty: about.emptyCaption)
    let terms = try file.terms(
      graph: about.graph, weights: about.weights,
      levels: levels.map { NoiseLevel(timestep: $0.timestep, noise: $0.noise) })
    var answered: [(item: EvaluationItem, terms: MatchingTerms)] = []
    var identities: [ItemIdentity] = []
    var items = try file.items(of: run)
    if let tasks = changes.tasks {
      items = items.filter { tasks.contains($0.item.task) || $0.item.category.map(tasks.contains) ?? false }
      guard !items.isEmpty else { throw DataError("--tasks: the run has none of these") }
    }
    for (item, identity) in items {
      guard let found = try layout.terms(identity, in: terms) else { continue }
      answered.append((item, found))
      identities.append(identity)
    }
    self.answered = answered
    self.identities = identities
    unanswered = items.count - answered.count
    guard !answered.isEmpty else {
      throw DataError(
        "does not hold of any item what this needs (\(layout.needs)); dsd eval computes it into the same --results"
      )
    }
  }

  /// - Throws: `DataError` when a head cannot score.
  public func table() throws -> EvaluationTable {
    try EvaluationTable(answered, choices: choices, headCounts: headCounts)
  }
}

extension MatchingTerms {
  /// The terms at some of the noise levels.
  /// - Parameter steps: places among the noise levels.
  public func selecting(steps: [Int]) -> MatchingTerms {
    var result = MatchingTerms(images: images, texts: texts, timesteps: steps.count, layers: layers)
    func part(_ grid: TermGrid) -> TermGrid {
      var extents = grid.extents
      extents[2] = steps.count
      let width = extents.count > 3 ? extents[3] : 1
      var part = TermGrid(extents)
      part.values = []
      for row in 0..<extents[0] * extents[1] {
        for step in steps {
          let start = (row * grid.extents[2] + step) * width
          part.values += grid.values[start..<start + width]
        }
      }
      return part
    }
    result.errors = errors.map(part)
    result.heads = heads.map(part)
    result.attention = attention.mapValues(part)
    result.emptyCaption = emptyCaption.mapValues(part)
    result.pureNoise = pureNoise.mapValues(part)
    return result
  }
}
