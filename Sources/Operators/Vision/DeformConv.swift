import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// A convolution of images `[N, C, H, W]` whose kernel's elements are each moved by an offset of their own at each
/// position (read between pixels, zero outside), and scaled by a mask.
///
/// Offsets are `[N, 2 · offset groups · kernel size, oH, oW]`, down before right; the mask has half as many channels.
struct DeformConv: Operator {
  static let schema = Schema(
    "DeformConv", since: 22, inputs: ["X: T", "W: T", "offset: T", "B?: T", "mask?: T"], outputs: ["Y: T"],
    types: ["T": .floats],
    attributes: [
      "dilations": .none, "group": .int(1), "kernel_shape": .none, "offset_group": .int(1), "pads": .none,
      "strides": .none,
    ])
  private let window: ConvolutionWindow
  private let offsetGroups: Int

  init(_ attributes: Attributes) throws {
    window = try ConvolutionWindow(attributes)
    offsetGroups = try attributes.int("offset_group") ?? 1
    guard offsetGroups >= 1, offsetGroups <= Int(Int32.max) else {
      throw DataError("offset_group is \(offsetGroups)")
    }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let dtype = try inputs.dtype(0)
    guard let x = try inputs.shape(0), let w = try inputs.shape(1) else {
      return [TensorType(dtype, Movement.unknown(4))]
    }
    guard x.count == 4, w.count == 4 else {
      throw DataError("images of rank \(x.count) and weights of rank \(w.count) are not supported, only 4")
    }
    let kernel = try window.kernel(w.dropFirst(2))
    var shape = [x[0], w[0]]
    for axis in 0..<2 {
      guard let extent = x[axis + 2].value, let size = kernel[axis].value else {
        shape.append(.unknown)
        continue
      }
      shape.append(.known(try window.axis(axis, input: extent, kernel: size, rank: 2).output))
    }
    if let channels = x[1].value, let part = w[1].value {
      guard channels == Cost.product([part, window.group]), channels % offsetGroups == 0 else {
        throw DataError(
          "\(channels) channels do not fit \(window.group) groups of \(part), \(offsetGroups) of offsets")
      }
    }
    if let out = w[0].value, out % window.group != 0 {
      throw DataError("\(out) output channels do not part into \(window.group) groups")
    }
    if let height = kernel[0].value, let width = kernel[1].value {
      let taps = Cost.product([offsetGroups, height, width])
      try check(inputs, 2, "offset", [x[0], .known(Cost.product([taps, 2])), shape[2], shape[3]])
      try check(inputs, 4, "mask", [x[0], .known(taps), shape[2], shape[3]])
    }
    try check(inputs, 3, "B", [w[0]])
    return [TensorType(dtype, shape)]
  }

  private func check(_ inputs: InferenceInputs, _ position: Int, _ name: String, _ expected: [Dim]) throws {
    guard inputs.has(position), let shape = try inputs.shape(position) else { return }
    guard shape.count == expected.count, zip(shape, expected).allSatisfy({ $0.agrees(with: $1) }) else {
      throw DataError(
        "\(name) is \(try inputs.type(position)), not \(TensorType(try inputs.dtype(0), expected))")
    }
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0], y.count > 0 else { return }
    switch x.dtype {
    case .float32: try run(Float.self, inputs, y, context.pool)
    case .float64: try run(Double.self, inputs, y, context.pool)
    default: throw DataError("cannot convolve \(x.dtype)")
    }
  }

  private func run<T: MatrixScalar & BinaryFloatingPoint>(
    _ type: T.Type, _ inputs: [Tensor?], _ y: Tensor, _ pool: ThreadPool
  ) throws {
    let (x, w) = (try Movement.input(inputs, 0), try Movement.input(inputs, 1))
    let offset = try Movement.input(inputs, 2).pointer(as: type)
    let bias = inputs.count > 3 ? inputs[3]?.pointer(as: type) : nil
    let mask = inputs.count > 4 ? inputs[4]?.pointer(as: type) : nil
    let axes = try (0..<2).map {
      try window.axis($0, input: x.shape[$0 + 2], kernel: w.shape[$0 + 2], rank: 2)
    }
    let (channels, outChannels, part) = (x.shape[1], w.shape[0] / window.group, w.shape[1])
    let (taps, positions) = (axes[0].kernel * axes[1].kernel, axes[0].output * axes[1].output)
    let (height, width) = (axes[0].input, axes[1].input)
    let rows = part * taps
    try BLAS.check(outChannels, positions, rows)
    let bytes = TensorType(x.dtype, [channels * taps, positions]).byteCount
    guard let bytes else { throw DataError("the columns of a convolution are too large") }
    try Storage.checkFits(bytes, "a convolution's columns")
    let columns = Tensor(x.dtype, [channels * taps, positions])
    let (cells, weights, out) = (columns.pointer(as: type), w.pointer(as: type), y.pointer(as: type))
    for image in 0..<x.shape[0] {
      let pixels = x.pointer(as: type) + image * channels * height * width
      pool.forEach(channels * taps) { row in
        let (channel, tap) = row.quotientAndRemainder(dividingBy: taps)
        let plane = pixels + channel * height * width
        let group = image * offsetGroups + channel / (channels / offsetGroups)
        let down = offset + (group * taps + tap) * 2 * positions
        for position in 0..<positions {
          let (line, column) = position.quotientAndRemainder(dividingBy: axes[1].output)
          let place = (
            T(line * axes[0].stride - axes[0].padding + tap / axes[1].kernel * axes[0].dilation)
              + down[position],
            T(column * axes[1].stride - axes[1].padding + tap % axes[1].kernel * axes[1].dilation)
              + down[positions + position]
          )
          let value = DeformConv.read(plane, height, width, place)
          cells[row * positions + position] =
            value * (mask?[(group * taps + tap) * positions + position] ?? 1)
        }
      }
      MatrixProduct<T>.run(window.group, outChannels, positions, rows, on: pool) { group in
        MatrixProduct(
          m: outChannels, n: positions, k: rows,
          a: MatrixOperand(weights + group * outChannels * rows, stride: max(rows, 1)),
          b: MatrixOperand(cells + group * rows * positions, stride: positions),
          c: out + (image * window.group + group) * outChannels * positions, strideC: positions)
      }
      guard let bias else { continue }
      for channel in 0..<w.shape[0] {
        let plane = out + (image * w.shape[0] + channel) * positions
        for position in 0..<positions { plane[position] += bias[channel] }
      }
    }
  }

  /// The value between the four pixels around a place, those outside being zero.
  private static func read<T: BinaryFloatingPoint>(
    _ plane: UnsafePointer<T>, _ height: Int, _ width: Int, _ place: (T, T)
  ) -> T {
    guard place.0 > -1, place.1 > -1, place.0 < T(height), place.1 < T(width) else { return 0 }
    let (top, left) = (place.0.rounded(.down), place.1.rounded(.down))
    let (y, x) = (Int(top), Int(left))
    let (dy, dx) = (place.0 - top, place.1 - left)
    func pixel(_ y: Int, _ x: Int) -> T {
      y >= 0 && y < height && x >= 0 && x < width ? plane[y * width + x] : 0
    }
    return (1 - dy) * ((1 - dx) * pixel(y, x) + dx * pixel(y, x + 1))
      + dy * ((1 - dx) * pixel(y + 1, x) + dx * pixel(y + 1, x + 1))
  }
}
