import GraphIR

/// Replaces the mean of a pipeline's VAE posterior by a sample of it: mean + exp(½ · logvar) · noise, with the
/// noise as a new graph input.
public struct SampleLatent: Sendable {
  /// The new input, `[batch, channels, height, width]`.
  public static let input = "posterior_noise"
  static let mean = "vae_encoder/latent_mean"
  static let logVariance = "vae_encoder/latent_logvar"

  public init() {}

  /// - Throws: `DataError` when the graph has no posterior.
  public func apply(_ graph: Graph) throws -> Graph {
    let index = GraphIndex(graph)
    guard index.producer[SampleLatent.mean] != nil, index.producer[SampleLatent.logVariance] != nil,
      let consumers = index.consumers[SampleLatent.mean]
    else {
      throw DataError(
        "--latent sample: the graph has no values '\(SampleLatent.mean)' and '\(SampleLatent.logVariance)'")
    }
    guard !graph.allNames.contains(SampleLatent.input) else {
      throw DataError("--latent sample: the graph has a value '\(SampleLatent.input)' of its own")
    }
    let latentType = graph.inputs.first { $0.name == "noise" }?.type
    let g = GraphBuilder(graph)
    let noise = g.input(SampleLatent.input, .float32, latentType?.shape ?? ["batch", "c", "h", "w"])
    let sample = g.scope("vae_encoder") {
      let deviation = g.Exp(g.Mul(Value(SampleLatent.logVariance), g.scalar(0.5, "half")))
      return g.Add(Value(SampleLatent.mean), g.Mul(deviation, noise), name: "latent_sample")
    }
    g.edit { graph in
      for position in consumers {
        graph.nodes[position].inputs = graph.nodes[position].inputs.map {
          $0 == SampleLatent.mean ? sample.name : $0
        }
      }
    }
    return try g.graph.sorted()
  }
}
