import GraphIR

/// Two convolutions around a shift by the time embedding, with a shortcut.
struct ResnetBlock2D {
  let groups: Int
  let epsilon: Double
  /// The sum is divided by this.
  var outputScale: Double = 1

  /// - Parameter time: the activated time embedding `[batch, size]` with its size, or nil in the VAE.
  func emit(
    _ m: ModuleBuilder, _ name: String, _ x: Feature, _ output: Int, time: (value: Value, size: Int)? = nil
  ) -> Feature {
    m.module(name) {
      var h = m.silu(m.groupNorm("norm1", x, groups: groups, epsilon: epsilon))
      h = m.convolution("conv1", h, output)
      if let time {
        let shift = m.linear("time_emb_proj", time.value, time.size, output)
        h.value = m.g.Add(h.value, m.g.Unsqueeze(shift, m.ints([2, 3])))
      }
      h = m.silu(m.groupNorm("norm2", h, groups: groups, epsilon: epsilon))
      h = m.convolution("conv2", h, output)
      let shortcut =
        x.channels == output ? x : m.convolution("conv_shortcut", x, output, kernel: 1, padding: [0])
      var sum = m.add(shortcut, h)
      if outputScale != 1 { sum.value = m.g.Div(sum.value, m.scalar(Float(outputScale))) }
      return sum
    }
  }
}

extension ModuleBuilder {
  /// A convolution that halves height and width. Without padding, one row and column are added at the end.
  func downsample(_ x: Feature, padding: Int) -> Feature {
    module("downsamplers.0") {
      convolution("conv", x, x.channels, stride: 2, padding: padding == 0 ? [0, 0, 1, 1] : [padding])
    }
  }

  /// Twice the height and width, then a convolution.
  func upsample(_ x: Feature) -> Feature {
    module("upsamplers.0") { convolution("conv", doubled(x), x.channels) }
  }
}
