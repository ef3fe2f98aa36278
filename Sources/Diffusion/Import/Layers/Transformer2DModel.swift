import GraphIR

/// Transformer blocks over the pixels of a feature map, with cross-attention to the text.
struct Transformer2DModel {
  let blocks: Int
  let heads: Int
  let groups: Int
  /// The width of the text's hidden states.
  let crossDimension: Int
  /// Linear layers rather than 1×1 convolutions lead in and out.
  let usesLinearProjection: Bool
  /// The first attention of a block looks at the text too.
  let onlyCrossAttention: Bool

  func emit(_ m: ModuleBuilder, _ name: String, _ x: Feature, _ text: Value) -> Feature {
    m.module(name) {
      let c = x.channels
      var h = m.groupNorm("norm", x, groups: groups, epsilon: 1e-6)
      if !usesLinearProjection { h = m.convolution("proj_in", h, c, kernel: 1, padding: [0]) }
      var (s, shape) = m.sequence(h)
      if usesLinearProjection { s = m.linear("proj_in", s, c, c) }
      for block in 0..<blocks { s = self.block(m, "transformer_blocks.\(block)", s, c, text) }
      if usesLinearProjection { s = m.linear("proj_out", s, c, c) }
      h = m.spatial(s, shape, channels: c)
      if !usesLinearProjection { h = m.convolution("proj_out", h, c, kernel: 1, padding: [0]) }
      return m.add(h, x)
    }
  }

  private func block(_ m: ModuleBuilder, _ name: String, _ x: Value, _ c: Int, _ text: Value) -> Value {
    m.module(name) {
      var x = x
      var normed = m.layerNorm("norm1", x, c, epsilon: 1e-5)
      x = m.g.Add(attention(m, "attn1", normed, onlyCrossAttention ? text : nil, c), x)
      normed = m.layerNorm("norm2", x, c, epsilon: 1e-5)
      x = m.g.Add(attention(m, "attn2", normed, text, c), x)
      normed = m.layerNorm("norm3", x, c, epsilon: 1e-5)
      return m.g.Add(feedForward(m, normed, c), x)
    }
  }

  /// - Parameter text: what keys and values come from; nil for the sequence itself.
  private func attention(_ m: ModuleBuilder, _ name: String, _ x: Value, _ text: Value?, _ c: Int) -> Value {
    m.module(name) {
      let (source, width) = (text ?? x, text == nil ? c : crossDimension)
      let query = m.linear("to_q", x, c, c, bias: false)
      let key = m.linear("to_k", source, width, c, bias: false)
      let value = m.linear("to_v", source, width, c, bias: false)
      let mixed = m.attention(
        query, key, value, heads: heads, size: c / heads, role: text == nil ? .selfAttention : .cross)
      return m.linear("to_out.0", mixed, c, c)
    }
  }

  /// GEGLU (arXiv 2002.05202): a linear layer whose second half gates the first, then another.
  private func feedForward(_ m: ModuleBuilder, _ x: Value, _ c: Int) -> Value {
    m.module("ff") {
      let gated = m.module("net.0") {
        let halves = m.g.emit(
          "Split", [m.linear("proj", x, c, 8 * c)], ["axis": .int(-1), "num_outputs": .int(2)], outputs: 2)
        return m.g.Mul(halves[0], m.g.Gelu(halves[1]))
      }
      return m.linear("net.2", gated, 4 * c, c)
    }
  }
}
