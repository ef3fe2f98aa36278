import GraphIR

/// The leaves of torch's module tree, in ONNX's operators.
extension ModuleBuilder {
  /// y = x · Wᵀ + b over the last axis; W is stored `[output, input]`.
  /// - Parameter acceptsConvolution: also takes a weight that is stored as a 1×1 convolution's.
  func linear(
    _ name: String, _ x: Value, _ input: Int, _ output: Int, bias: Bool = true,
    acceptsConvolution: Bool = false
  ) -> Value {
    module(name) {
      let weight = parameter(
        "weight", [output, input], or: acceptsConvolution ? [output, input, 1, 1] : nil)
      let product = g.MatMul(x, g.Transpose(weight, attributes: ["perm": .ints([1, 0])]))
      return bias ? g.Add(product, parameter("bias", [output])) : product
    }
  }

  /// A convolution with a square kernel.
  /// - Parameter padding: on every side, or `[top, left, bottom, right]`.
  func convolution(
    _ name: String, _ x: Feature, _ output: Int, kernel: Int = 3, stride: Int = 1, padding: [Int] = [1]
  ) -> Feature {
    module(name) {
      let weight = parameter("weight", [output, x.channels, kernel, kernel])
      let pads = padding.count == 1 ? Array(repeating: padding[0], count: 4) : padding
      let value = g.Conv(
        x.value, weight, parameter("bias", [output]),
        attributes: [
          "kernel_shape": .ints([kernel, kernel]), "strides": .ints([stride, stride]), "pads": .ints(pads),
        ])
      return Feature(value: value, channels: output)
    }
  }

  /// Normalisation over groups of channels, with a weight and a bias per channel.
  func groupNorm(_ name: String, _ x: Feature, groups: Int, epsilon: Double) -> Feature {
    let value = module(name) {
      if x.channels % groups != 0 {
        fail("norm_num_groups", "\(groups) does not divide the \(x.channels) channels of \(layer)")
      }
      return g.GroupNormalization(
        x.value, parameter("weight", [x.channels]), parameter("bias", [x.channels]),
        attributes: ["num_groups": .int(groups), "epsilon": .float(Float(epsilon))])
    }
    return Feature(value: value, channels: x.channels)
  }

  /// Normalisation over the last axis.
  func layerNorm(_ name: String, _ x: Value, _ size: Int, epsilon: Double) -> Value {
    module(name) {
      g.LayerNormalization(
        x, parameter("weight", [size]), parameter("bias", [size]),
        attributes: ["axis": .int(-1), "epsilon": .float(Float(epsilon))])
    }
  }

  /// x · sigmoid(x)
  func silu(_ x: Value) -> Value { g.Mul(x, g.Sigmoid(x)) }

  func silu(_ x: Feature) -> Feature { Feature(value: silu(x.value), channels: x.channels) }

  /// Multi-head attention over `[batch, positions, heads · size]`.
  func attention(
    _ query: Value, _ key: Value, _ value: Value, heads: Int, size: Int, role: AttentionRole,
    causal: Bool = false
  ) -> Value {
    var attributes: [String: Attribute] = [
      "q_num_heads": .int(heads), "kv_num_heads": .int(heads),
      "scale": .float(Float(1 / Double(size).squareRoot())),
    ]
    if causal { attributes["is_causal"] = .int(1) }
    return g.emit(
      "Attention", [query, key, value], attributes,
      metadata: ["dsd.layer": layer, "dsd.role": role.rawValue])[0]
  }

  /// Twice the height and width, every pixel four times.
  ///
  /// diffusers upsamples to the size of the skip connection where that is odd; this does not, so heights and
  /// widths have to be multiples of the whole downsampling factor.
  func doubled(_ x: Feature) -> Feature {
    let name = "\(parameters.scope)/constants/upsampling"
    g.edit { $0.initializers[name] = Initializer(Tensor([Float(1), 1, 2, 2], shape: [4])) }
    let value = g.Resize(
      x.value, nil, Value(name),
      attributes: [
        "mode": .string("nearest"), "coordinate_transformation_mode": .string("asymmetric"),
        "nearest_mode": .string("floor"),
      ])
    return Feature(value: value, channels: x.channels)
  }

  /// `[batch, channels, height, width]` as a sequence `[batch, height · width, channels]`, with the shape
  /// that `spatial` needs to go back.
  func sequence(_ x: Feature) -> (value: Value, shape: Value) {
    let last = g.Transpose(x.value, attributes: ["perm": .ints([0, 2, 3, 1])])
    return (g.Reshape(last, ints([0, -1, x.channels])), g.Shape(last))
  }

  /// The inverse of `sequence`.
  func spatial(_ x: Value, _ shape: Value, channels: Int) -> Feature {
    let value = g.Transpose(g.Reshape(x, shape), attributes: ["perm": .ints([0, 3, 1, 2])])
    return Feature(value: value, channels: channels)
  }

  func add(_ a: Feature, _ b: Feature) -> Feature {
    Feature(value: g.Add(a.value, b.value), channels: a.channels)
  }
}

/// Whether attention looks at its own sequence or at the text.
enum AttentionRole: String {
  case selfAttention = "self"
  case cross
}
