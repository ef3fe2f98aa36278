import GraphIR
import Interpreter

extension MatchingJob {
  /// s_l of a position of the grid that `run` has been through, for each layer of `score`.
  /// - Parameters:
  ///   - text: the empty caption's index is the number of texts.
  ///   - caption: for the empty caption read over content positions, the text whose positions are meant.
  public func layerScores(
    image: Int, text: Int, timestep: Int, positionsOf caption: Int? = nil
  ) throws -> [Double] {
    try score.layerScores(
      at: SweepPosition([.image: image, .text: text, .timestep: timestep]), positionsOf: caption
    ).map { $0[0] }
  }

  /// The attention of a hook at a position of the grid, the mean over its layers or one of them.
  func attention(
    _ score: AttentionScore, _ layer: Int?, _ image: Int, _ text: Int, _ step: Int, of caption: Int
  ) throws -> Double {
    let layers = try score.layerScores(
      at: SweepPosition([.image: image, .text: text, .timestep: step]), positionsOf: caption)
    if let layer { return layers[layer][0] }
    return layers.reduce(0) { $0 + $1[0] } / Double(layers.count)
  }

  /// The same as a pair's term, before any normalization.
  func attentionTerm(
    of score: AttentionScore, _ layer: Int?, _ image: Int, _ text: Int, _ step: Int
  ) throws -> Double {
    let own = try attention(score, layer, image, text, step, of: text)
    guard options.officialCompat else { return own }
    return (own + (try attention(score, layer, image, texts.count, step, of: text))) / 2
  }

  /// The attention term `[image][text][timestep]` as a hook has read it in the run; not a number where the pass did not
  /// run.
  /// - Parameters:
  ///   - score: this job's own, or one of the further hooks that it was given.
  ///   - layer: the place of one of the hook's layers; the mean over them when nil.
  ///   - normalize: the options' own, or one of their `baselines`.
  /// - Throws: `DataError` before `run`, and when the options did not provide for it.
  public func attention(
    of score: AttentionScore, layer: Int? = nil, normalize: Normalization = .none
  ) throws -> [[[Double]]] {
    func term(_ image: Int, _ text: Int, _ step: Int) throws -> Double {
      guard image >= imageNames.count || hasRun(image, text, step) else { return .nan }
      return try attentionTerm(of: score, layer, image, text, step)
    }
    guard normalize == .none || options.needs(normalize) else {
      throw DataError("the run has no baseline for --normalize \(normalize.rawValue)")
    }
    var terms = try imageNames.indices.map { image in
      try texts.indices.map { text in try timesteps.indices.map { try term(image, text, $0) } }
    }
    guard normalize != .none else { return terms }
    for text in texts.indices {
      for step in timesteps.indices {
        let mean = terms.reduce(0) { $0 + $1[text][step] } / Double(terms.count)
        for image in imageNames.indices {
          switch normalize {
          case .none: break
          case .emptyCaption:
            guard hasRun(image, text, step) else { continue }
            terms[image][text][step] -= try attention(score, layer, image, texts.count, step, of: text)
          case .noise: terms[image][text][step] -= try term(imageNames.count, text, step)
          case .images: terms[image][text][step] -= mean
          }
        }
      }
    }
    return terms
  }
}
