import GraphIR
import Interpreter

extension HeadTerms {
  /// All pairs of an item, image by image, as an evaluation keeps them. A term that was not computed does not count:
  /// a bias is 0, attention is left out.
  /// - Parameters:
  ///   - layers: places of the layers to read among those of the terms.
  ///   - headCounts: how many attention heads each layer of the terms has.
  init(_ terms: MatchingTerms, layers: [Int], headCounts: [Int], officialCompat: Bool) {
    self.init(pairs: terms.images * terms.texts, timesteps: terms.timesteps)
    let variant = NormalizedVariant(.head)
    if terms.attention[variant.variant] != nil {
      let grids = layers.map { layer in
        ScoreChoice(
          terms: .attention, variant: variant, layers: .init(name: "", indices: [layer]),
          officialCompat: officialCompat
        ).attentionTerm(terms, variant)
      }
      set(.attention, (0..<pairs * timesteps).flatMap { place in grids.map { $0.values[place] } })
    }
    var bias = [Double](repeating: 0, count: pairs * timesteps)
    if let errors = terms.errors {
      for place in bias.indices {
        let (image, text, step) = (
          place / (terms.texts * timesteps), place / timesteps % terms.texts, place % timesteps
        )
        bias[place] = errors[image, terms.texts, step] - errors[image, text, step]
      }
    }
    set(.bias, bias)
    if let means = terms.heads, headCounts.count == terms.layers {
      let starts = headCounts.indices.map { headCounts[..<$0].reduce(0, +) }
      let chosen = layers.flatMap { starts[$0]..<starts[$0] + headCounts[$0] }
      let width = means.extents[3]
      set(.heads, (0..<pairs * timesteps).flatMap { row in chosen.map { means.values[row * width + $0] } })
    }
    for (name, value) in terms.values { self[name] = value.tensor }
  }

  /// All pairs of a job that has run, image by image.
  /// - Parameter heads: the hook that has watched, where attention heads are to be read.
  /// - Throws: `DataError` when the job has not been told to keep what is asked for.
  public init(_ job: MatchingJob, heads: AttentionHeads? = nil) throws {
    let (images, texts, steps) = (job.imageNames.count, job.texts.count, job.timesteps.count)
    self.init(pairs: images * texts, timesteps: steps)
    if job.options.needsAttention {
      let grids = try job.score.layers.indices.map { layer in
        try job.attention(of: job.score, layer: layer, normalize: job.options.normalize)
          .joined().flatMap { $0 }
      }
      set(.attention, (0..<pairs * steps).flatMap { place in grids.map { $0[place] } })
    }
    set(
      .bias,
      job.options.needsBias ? job.bias().joined().flatMap { $0 } : Array(repeating: 0, count: pairs * steps))
    if let heads {
      var means: [Double] = []
      for image in 0..<images {
        for text in 0..<texts {
          for step in 0..<steps {
            means += try heads.means(
              at: SweepPosition([.image: image, .text: text, .timestep: step])
            ).joined()
          }
        }
      }
      set(.heads, means)
    }
    for (name, value) in job.keptValues() { self[name] = value }
  }
}

extension AttentionVariant {
  /// How the attention that heads read is pooled in an evaluation.
  public static let head = AttentionVariant(.logsumexp)
}
