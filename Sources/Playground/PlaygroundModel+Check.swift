import Discriminative

extension PlaygroundModel {
  /// Refuses a request for what the model does not have, before it waits. May be asked at any time, from any thread.
  /// - Throws: `DataError` that names the member.
  func check(_ request: ScoreRequest, limits: PlaygroundLimits) throws {
    for name in request.adapters where !adapters.contains(where: { $0.name == name }) {
      throw DataError("adapters: '\(name)' is none of those of --adapter: \(listing(adapters.map(\.name)))")
    }
    guard Set(request.adapters).count == request.adapters.count else {
      throw DataError("adapters: one is named twice")
    }
    let options = request.options
    try check(options.layers, "layers")
    if let maps = request.maps { try check(maps.layers, "maps.layers") }
    let timesteps: [Int]
    do {
      timesteps = try options.timesteps(of: description)
      if let name = request.head { try check(name, options, timesteps) }
    } catch let error as DataError {
      // Members have the options' names.
      throw DataError(error.message.replacing("--", with: ""))
    }
    var words = 0
    for (place, text) in request.texts.enumerated() {
      do {
        // Adapters may leave less room; that is found when they are attached.
        _ = try tokenizers.ids(text)
        let tokens = tokenizers.tokens(text)
        words += tokens.words.count
        guard !tokens.words.isEmpty || (request.maps == nil && options.positions == .all) else {
          throw DataError("the caption has no words")
        }
      } catch let error as DataError {
        throw DataError("texts[\(place)]: \(error.message)")
      }
    }
    guard request.maps != nil else { return }
    let numbers = words * request.images.count * facts.mapArea
    guard numbers <= limits.mapValues else {
      throw DataError(
        "maps: those of so many images and words have \(numbers) numbers, more than the limit of \(limits.mapValues)"
      )
    }
  }

  private func check(_ name: String, _ options: MatchingOptions, _ timesteps: [Int]) throws {
    guard let head = heads.first(where: { $0.name == name })?.head else {
      throw DataError("head: '\(name)' is none of those of the server: \(listing(heads.map(\.name)))")
    }
    guard head.layers == nil || options.layers == .official else {
      throw DataError("layers: head '\(name)' has layers of its own")
    }
    if head.reads.contains(.heads), options.officialCompat || options.normalize != .none {
      throw DataError(
        "head: official_compat and normalize do not reach the attention heads that '\(name)' reads one by one"
      )
    }
    try head.check(timesteps: timesteps, layers: head.layers ?? [], terms: options.terms ?? .both)
  }

  /// Refuses patterns that no layer matches.
  private func check(_ layers: LayerSelection, _ member: String) throws {
    guard case .matching(let globs) = layers else { return }
    guard facts.layers.contains(where: { layer in globs.contains { $0.matches(layer) } }) else {
      throw DataError("\(member): no cross-attention layer matches '\(layers)'")
    }
  }

  private func listing(_ names: [String]) -> String { names.isEmpty ? "none" : names.joined(separator: ", ") }
}
