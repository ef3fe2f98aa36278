import GraphIR

extension Conv: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (x, w, output) = (try context.shape(0), try context.shape(1), try context.outputShape())
    let rank = x.count - 2
    let axes = try (0..<rank).map { try window.axis($0, input: x[$0 + 2], kernel: w[$0 + 2], rank: rank) }
    let d = try context.gradient()
    var results: [Value?] = [nil, nil, nil]
    if context.wants(0) {
      // What the strides left over behind the last window has the gradient zero.
      let span = axes.map { ($0.output - 1) * $0.stride + $0.reach }
      let ends = axes.indices.map { max(0, span[$0] - axes[$0].padding - axes[$0].input) }
      let extra = axes.indices.map { axes[$0].input - (span[$0] - axes[$0].padding - ends[$0]) }
      var attributes = ConvolutionGradient.attributes(axes, window.group)
      attributes["pads"] = .ints(axes.map(\.padding) + ends)
      if extra.contains(where: { $0 != 0 }) { attributes["output_padding"] = .ints(extra) }
      results[0] = context.graph.ConvTranspose(d, context.input(1), attributes: attributes)
    }
    if context.wants(1) {
      results[1] = try ConvolutionGradient.weight(
        context, input: (context.input(0), x), output: (d, output), axes, window.group)
    }
    if context.wants(2) { results[2] = context.sum(d, [0] + Array(2..<x.count), keepsDims: false) }
    return results
  }
}

extension ConvTranspose: DifferentiableOperator {
  func gradient(_ context: GradientContext) throws -> [Value?] {
    let (x, w, output) = (try context.shape(0), try context.shape(1), try context.outputShape())
    let rank = x.count - 2
    // The convolution whose transpose this is.
    var axes = try (0..<rank).map { try axis($0, x[$0 + 2], w[$0 + 2], rank: rank) }
    for axis in axes.indices { (axes[axis].input, axes[axis].output) = (axes[axis].output, axes[axis].input) }
    let d = try context.gradient()
    var results: [Value?] = [nil, nil, nil]
    if context.wants(0) {
      let ends = axes.map { max(0, ($0.output - 1) * $0.stride + $0.reach - $0.padding - $0.input) }
      var attributes = ConvolutionGradient.attributes(axes, window.group)
      attributes["pads"] = .ints(axes.map(\.padding) + ends)
      results[0] = context.graph.Conv(d, context.input(1), attributes: attributes)
    }
    if context.wants(1) {
      results[1] = try ConvolutionGradient.weight(
        context, input: (d, output), output: (context.input(0), x), axes, window.group)
    }
    if context.wants(2) { results[2] = context.sum(d, [0] + Array(2..<x.count), keepsDims: false) }
    return results
  }
}

/// What the gradients of both convolutions share.
private enum ConvolutionGradient {
  static func attributes(_ axes: [ConvolutionAxis], _ group: Int) -> [String: Attribute] {
    [
      "kernel_shape": .ints(axes.map(\.kernel)), "strides": .ints(axes.map(\.stride)),
      "dilations": .ints(axes.map(\.dilation)), "group": .int(group),
    ]
  }

  /// The gradient of the weight [O, C / group, K1, …] of a convolution from `input` to `output`: a convolution of the
  /// input with the output's gradient, in which batch and channels have changed places, and so have strides and
  /// dilations.
  static func weight(
    _ context: GradientContext, input: (value: Value, shape: [Int]), output: (value: Value, shape: [Int]),
    _ axes: [ConvolutionAxis], _ group: Int
  ) throws -> Value {
    let g = context.graph
    let swapped = [1, 0] + Array(2..<input.shape.count)
    let x = context.transpose(input.value, swapped)
    let d = context.transpose(output.value, swapped)
    let (inputs, outputs) = (input.shape[1] / group, output.shape[1] / group)
    func part(_ value: Value, _ width: Int, _ index: Int) -> Value {
      group == 1
        ? value
        : g.Slice(
          value, g.ints([index * width], "start"), g.ints([(index + 1) * width], "end"), g.ints([0], "axis"))
    }
    let ends = axes.map {
      max(0, ($0.kernel - 1) * $0.dilation + ($0.output - 1) * $0.stride + 1 - $0.input - $0.padding)
    }
    let parts = (0..<group).map { index in
      let product = g.Conv(
        part(x, inputs, index), part(d, outputs, index),
        attributes: [
          "strides": .ints(axes.map(\.dilation)), "dilations": .ints(axes.map(\.stride)),
          "pads": .ints(axes.map(\.padding) + ends),
        ])
      return context.transpose(product, swapped)
    }
    let whole = group == 1 ? parts[0] : g.emit("Concat", parts, ["axis": .int(0)])[0]
    // Strides that leave elements over make the product larger than the kernel.
    return g.Slice(
      whole, g.ints(axes.map { _ in 0 }, "start"), g.ints(axes.map(\.kernel), "end"),
      g.ints(axes.indices.map { $0 + 2 }, "axis"))
  }
}
