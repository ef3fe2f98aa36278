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

  /// The attention term `[image][text][timestep]` as a hook has read it in the run.
  /// - Parameters:
  ///   - score: this job's own, or one of the further hooks that it was given.
  ///   - layer: the place of one of the hook's layers; the mean over them when nil.
  ///   - normalize: the options' own, or one of their `baselines`.
  /// - Throws: `DataError` before `run`, and when the options did not provide for it.
  public func attention(
    of score: AttentionScore, layer: Int? = nil, normalize: Normalization = .none
  ) throws -> [[[Double]]] {
    func read(_ image: Int, _ text: Int, _ step: Int, _ caption: Int) throws -> Double {
      let layers = try score.layerScores(
        at: SweepPosition([.image: image, .text: text, .timestep: step]), positionsOf: caption)
      if let layer { return layers[layer][0] }
      return layers.reduce(0) { $0 + $1[0] } / Double(layers.count)
    }
    func term(_ image: Int, _ text: Int, _ step: Int) throws -> Double {
      let own = try read(image, text, step, text)
      return options.officialCompat ? (own + (try read(image, texts.count, step, text))) / 2 : own
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
          case .emptyCaption: terms[image][text][step] -= try read(image, texts.count, step, text)
          case .noise: terms[image][text][step] -= try term(imageNames.count, text, step)
          case .images: terms[image][text][step] -= mean
          }
        }
      }
    }
    return terms
  }
}
