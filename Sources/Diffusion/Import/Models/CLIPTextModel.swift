import GraphIR

/// The text encoder of CLIP, as `CLIPTextModel` and `CLIPTextModelWithProjection` of transformers compute it.
struct CLIPTextModel {
  enum Activation: String, CaseIterable {
    case quickGelu = "quick_gelu"
    case gelu
  }

  /// What a pipeline takes from the encoder.
  enum Output {
    /// The last layer's states after the final normalisation `[batch, positions, width]`.
    case last
    /// The states before the last layer `[batch, positions, width]`.
    case penultimate
    /// The normalised state at the end token, projected `[batch, projection]`.
    case projectedPool
  }

  let vocabulary: Int
  let width: Int
  let innerWidth: Int
  let layers: Int
  let heads: Int
  let positions: Int
  let activation: Activation
  let epsilon: Double
  let endToken: Int
  /// The width of the projection, where the class has one.
  let projection: Int?

  init(_ config: ConfigFile, hasProjection: Bool) throws {
    vocabulary = try config.int("vocab_size", in: ConfigFile.sizes, default: 49408)
    width = try config.int("hidden_size", in: ConfigFile.sizes, default: 512)
    innerWidth = try config.int("intermediate_size", in: ConfigFile.sizes, default: 2048)
    layers = try config.int("num_hidden_layers", in: ConfigFile.depths, default: 12)
    heads = try config.int("num_attention_heads", in: ConfigFile.heads, default: 8)
    positions = try config.int("max_position_embeddings", in: ConfigFile.sizes, default: 77)
    activation = try config.choice("hidden_act", default: .quickGelu)
    epsilon = try config.double("layer_norm_eps", default: 1e-5)
    endToken = try config.int("eos_token_id", default: 49407)
    projection =
      hasProjection ? try config.int("projection_dim", in: ConfigFile.sizes, default: 512) : nil
    guard width % heads == 0 else {
      throw config.error("num_attention_heads", "\(heads) does not divide hidden_size \(width)")
    }
  }

  /// - Parameters:
  ///   - ids: int64 `[batch, positions]`.
  ///   - wanted: what to compute; layers that nothing of it needs are left out.
  /// - Returns: the wanted values in order.
  func emit(_ m: ModuleBuilder, _ ids: Value, _ wanted: [Output]) -> [Value] {
    m.component {
      var results: [Output: Value] = [:]
      m.module("text_model") {
        var x = embed(m, ids)
        let depth = wanted == [.penultimate] ? layers - 1 : layers
        if layers == 1 { results[.penultimate] = x }
        m.module("encoder") {
          for layer in 0..<depth {
            x = self.layer(m, "layers.\(layer)", x)
            if layer == layers - 2 { results[.penultimate] = x }
          }
        }
        guard depth == layers else { return }
        let last = m.layerNorm("final_layer_norm", x, width, epsilon: epsilon)
        results[.last] = last
        if wanted.contains(.projectedPool) { results[.projectedPool] = pool(m, last, ids) }
      }
      if let pooled = results[.projectedPool], let projection {
        results[.projectedPool] = m.linear("text_projection", pooled, width, projection, bias: false)
      }
      return wanted.compactMap { results[$0] }
    }
  }

  private func embed(_ m: ModuleBuilder, _ ids: Value) -> Value {
    m.module("embeddings") {
      let tokens = m.module("token_embedding") {
        m.g.Gather(m.parameter("weight", [vocabulary, width]), ids, attributes: ["axis": .int(0)])
      }
      let places = m.module("position_embedding") { m.parameter("weight", [positions, width]) }
      return m.g.Add(tokens, places)
    }
  }

  private func layer(_ m: ModuleBuilder, _ name: String, _ x: Value) -> Value {
    m.module(name) {
      var x = x
      var normed = m.layerNorm("layer_norm1", x, width, epsilon: epsilon)
      let attended = m.module("self_attn") {
        let query = m.linear("q_proj", normed, width, width)
        let key = m.linear("k_proj", normed, width, width)
        let value = m.linear("v_proj", normed, width, width)
        let mixed = m.attention(
          query, key, value, heads: heads, size: width / heads, role: .selfAttention, causal: true)
        return m.linear("out_proj", mixed, width, width)
      }
      x = m.g.Add(x, attended)
      normed = m.layerNorm("layer_norm2", x, width, epsilon: epsilon)
      let fed = m.module("mlp") {
        m.linear("fc2", activate(m, m.linear("fc1", normed, width, innerWidth)), innerWidth, width)
      }
      return m.g.Add(x, fed)
    }
  }

  private func activate(_ m: ModuleBuilder, _ x: Value) -> Value {
    switch activation {
    case .gelu: m.g.Gelu(x)
    case .quickGelu: m.g.Mul(x, m.g.Sigmoid(m.g.Mul(x, m.scalar(1.702))))
    }
  }

  /// The state `[batch, width]` at the end token. Configurations from before its id was right say 2; there
  /// the end is the highest id of the caption, otherwise the first place where the id stands.
  private func pool(_ m: ModuleBuilder, _ states: Value, _ ids: Value) -> Value {
    m.g.scope("pooling") {
      let int32: Attribute = .int(Int(DType.int32.rawValue))
      let ranked =
        endToken == 2
        ? m.g.Cast(ids, attributes: ["to": int32])
        : m.g.Cast(
          m.g.Equal(ids, m.g.constant(Tensor(scalar: Int64(endToken)), "end")), attributes: ["to": int32])
      let place = m.g.ArgMax(ranked, attributes: ["axis": .int(-1), "keepdims": .int(1)])
      return m.g.GatherND(states, place, attributes: ["batch_dims": .int(1)])
    }
  }
}
