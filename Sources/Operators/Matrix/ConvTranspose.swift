import GraphIR

/// The transpose of a convolution: every input element adds its multiple of the kernel to the output.
///
/// X is [N, C, D1, …], W [C, O / group, K1, …]; one, two or three spatial axes.
struct ConvTranspose: Operator {
  static let schema = Schema(
    "ConvTranspose", since: 22, inputs: ["X: T", "W: T", "B?: T"], outputs: ["Y: T"],
    types: ["T": .floats],
    attributes: [
      "auto_pad": .string("NOTSET"), "dilations": .none, "group": .int(1), "kernel_shape": .none,
      "output_padding": .none, "output_shape": .none, "pads": .none, "strides": .none,
    ])

  let window: ConvolutionWindow
  let outputPadding: [Int]?
  let outputShape: [Int]?

  init(_ attributes: Attributes) throws {
    window = try ConvolutionWindow(attributes)
    outputPadding = try attributes.ints("output_padding").flatMap { $0.isEmpty ? nil : $0 }
    var shape = try attributes.ints("output_shape").flatMap { $0.isEmpty ? nil : $0 }
    // Some writers include the batch and channel axes.
    if let pads = window.pads ?? window.kernelShape.map({ $0 + $0 }), let full = shape,
      full.count == pads.count / 2 + 2
    {
      shape = Array(full.dropFirst(2))
    }
    outputShape = shape
    for value in (outputPadding ?? []) + (shape ?? []) where value < 0 || value > Int(Int32.max) {
      throw DataError("an output padding or extent of \(value) is out of range")
    }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let dtype = try inputs.dtype(0)
    guard let x = try inputs.shape(0) else { return [TensorType(dtype, nil as [Dim]?)] }
    guard (3...5).contains(x.count) else {
      throw DataError("the input has rank \(x.count), 3 to 5 are supported")
    }
    guard let w = try inputs.shape(1) else {
      return [TensorType(dtype, [x[0]] + x.dropFirst().map { _ in Dim.unknown })]
    }
    guard w.count == x.count else {
      throw DataError("the weight has rank \(w.count), the input \(x.count)")
    }
    guard x[1].agrees(with: w[0]) else { throw DataError("input channels \(x[1]) and \(w[0]) differ") }
    if let channels = x[1].value ?? w[0].value, channels % window.group != 0 {
      throw DataError("\(channels) input channels do not part into \(window.group) groups")
    }
    let channelsOut = w[1].map { Cost.product([$0, window.group]) }
    if inputs.has(2), let b = try inputs.shape(2) {
      guard b.count == 1, b[0].agrees(with: channelsOut) else {
        throw DataError("the bias \(try inputs.type(2)) does not fit \(channelsOut) output channels")
      }
    }
    let kernel = try window.kernel(w.dropFirst(2))
    for (name, list) in [("output_padding", outputPadding), ("output_shape", outputShape)] {
      if let list, list.count != kernel.count {
        throw DataError("attribute '\(name)' holds \(list.count) numbers, not \(kernel.count)")
      }
    }
    var shape = [x[0], channelsOut]
    for axis in kernel.indices {
      guard let input = x[axis + 2].value, let extent = kernel[axis].value else {
        shape.append(.unknown)
        continue
      }
      shape.append(.known(try self.axis(axis, input, extent, rank: kernel.count).output))
    }
    return [TensorType(dtype, shape)]
  }

  /// Settles one axis by the formulas of the ONNX operator; padding here is what is cut off the output.
  func axis(_ axis: Int, _ input: Int, _ kernel: Int, rank: Int) throws -> ConvolutionAxis {
    guard input > 0, input <= Int(Int32.max) else { throw DataError("a spatial axis has extent \(input)") }
    var result = ConvolutionAxis(
      input: input, kernel: kernel, stride: window.strides?[axis] ?? 1,
      dilation: window.dilations?[axis] ?? 1)
    let (span, overflow) = ((input - 1) * result.stride).addingReportingOverflow(
      result.reach + (outputPadding?[axis] ?? 0))
    guard !overflow else { throw DataError("the output is too large") }
    let isSame = window.padding == .sameUpper || window.padding == .sameLower
    if let output = outputShape?[axis] ?? (isSame ? input * result.stride : nil) {
      let total = max(0, span - output)
      result.padding = window.padding == .sameUpper ? total / 2 : total - total / 2
      result.output = output
    } else {
      let isExplicit = window.padding == .explicit
      result.padding = isExplicit ? window.pads?[axis] ?? 0 : 0
      result.output = span - result.padding - (isExplicit ? window.pads?[rank + axis] ?? 0 : 0)
    }
    guard result.output > 0 else {
      throw DataError("the pads cut off all of the \(span) output elements")
    }
    return result
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let w = inputs[1], let y = outputs[0], y.count > 0 else { return }
    let b = inputs.count > 2 ? inputs[2] : nil
    let shape = try shape(x.shape, w.shape)
    switch x.dtype {
    case .float32: try run(Float.self, shape, x, w, b, y, context)
    case .float64: try run(Double.self, shape, x, w, b, y, context)
    default: throw DataError("cannot convolve \(x.dtype)")
    }
  }

  private func run<T: MatrixScalar>(
    _ type: T.Type, _ shape: ConvolutionShape, _ x: Tensor, _ w: Tensor, _ b: Tensor?, _ y: Tensor,
    _ context: RunContext
  ) throws {
    try BLAS.check(shape.outputChannels * shape.taps, shape.inputChannels, shape.inputs)
    TransposedConvolution(
      shape: shape, x: x.pointer(as: type), w: w.pointer(as: type), bias: b?.pointer(as: type),
      y: y.pointer(as: type)
    ).run(context)
  }

  func workspace(_ inputs: [TensorType?], threads: Int) -> Int {
    guard inputs.count > 1, let x = inputs[0]?.concreteShape, let w = inputs[1]?.concreteShape,
      let shape = try? shape(x, w)
    else { return 0 }
    let count = TransposedConvolution<Float>.scratchCount(shape)
    return inputs[0]?.dtype == .float64
      ? SlottedScratch<Double>.byteCount(count, threads: threads)
      : SlottedScratch<Float>.byteCount(count, threads: threads)
  }

  func multiplyAdds(_ inputs: [TensorType?], _ outputs: [TensorType]) -> Int {
    guard inputs.count > 1, let w = inputs[1]?.concreteShape else { return 0 }
    return Cost.product([Cost.product(inputs[0])] + w.dropFirst())
  }

  private func shape(_ x: [Int], _ w: [Int]) throws -> ConvolutionShape {
    let rank = x.count - 2
    return ConvolutionShape(
      batch: x[0], groups: window.group, inputChannels: w[0] / window.group, outputChannels: w[1],
      axes: try (0..<rank).map { try axis($0, x[$0 + 2], w[$0 + 2], rank: rank) })
  }
}
