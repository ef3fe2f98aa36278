import GraphIR

/// The discrete Fourier transform along an axis of `[…, 1]` (real) or `[…, 2]` (complex) values. `onesided` leaves
/// out what follows by symmetry: forward the upper half of a real signal's spectrum, inverse it takes such a spectrum
/// to a real signal. The inverse has a factor 1 / N.
struct DFT: Operator {
  static let schema = Schema(
    "DFT", since: 20, inputs: ["input: T1", "dft_length?: T2", "axis?: A"], outputs: ["output: T1"],
    types: ["T1": .floats, "T2": .indices, "A": [.int64]],
    attributes: ["inverse": .int(0), "onesided": .int(0), "axis": .int(1)])
  private let isInverse: Bool
  private let isOneSided: Bool
  /// The axis of the form before version 20.
  private let oldAxis: Int?

  init(_ attributes: Attributes) throws {
    isInverse = try attributes.bool("inverse")
    isOneSided = try attributes.bool("onesided")
    oldAxis = attributes.opset < 20 ? try attributes.int("axis") ?? 1 : nil
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    guard let shape = type.shape else { return [type] }
    if oldAxis == nil, inputs.has(2), inputs.constant(2) == nil {
      return [TensorType(type.dtype, Movement.unknown(shape.count))]
    }
    let axis = try axis(inputs.constant(2), rank: shape.count)
    guard let width = shape[shape.count - 1].value else {
      return [TensorType(type.dtype, Movement.unknown(shape.count))]
    }
    try check(width)
    var result = shape
    var length: Int?
    if inputs.has(1) {
      length = try Signal.length(inputs.constant(1), "dft_length")
    } else if let extent = shape[axis].value {
      length = try ownLength(extent)
    }
    result[axis] = length.map { .known(isOneSided && !isInverse ? $0 / 2 + 1 : $0) } ?? .unknown
    result[shape.count - 1] = .known(isOneSided && isInverse ? 1 : 2)
    return [try Movement.limited(type.dtype, result)]
  }

  private func check(_ width: Int) throws {
    guard width == 1 || width == 2 else { throw DataError("the last axis has extent \(width), not 1 or 2") }
    if isOneSided, isInverse != (width == 2) {
      throw DataError("onesided \(isInverse ? "takes a complex spectrum" : "takes a real signal")")
    }
  }

  private func ownLength(_ extent: Int) throws -> Int {
    let length = isOneSided && isInverse ? 2 * (extent - 1) : extent
    guard length > 0 else { throw DataError("an extent of \(extent) is too short for the transform") }
    return length
  }

  private func axis(_ given: Tensor?, rank: Int) throws -> Int {
    let value = try oldAxis ?? given.map { Int(try Signal.number($0, "axis")) } ?? -2
    let axis = try InferenceInputs.axis(value, rank: rank)
    guard axis < rank - 1 else { throw DataError("the last axis is that of real and imaginary parts") }
    return axis
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0], y.count > 0 else { return }
    let axis = try axis(inputs.count > 2 ? inputs[2] : nil, rank: x.rank)
    let given = try Signal.length(inputs.count > 1 ? inputs[1] : nil, "dft_length")
    let length = try given ?? ownLength(x.shape[axis])
    let width = x.shape[x.rank - 1]
    try check(width)
    let transform = FourierTransform(length: length, isInverse: isInverse)
    let inner = Shape.count(Array(x.shape[(axis + 1)..<(x.rank - 1)]))
    let signals = Shape.count(Array(x.shape[..<axis])) * inner
    let (extent, out) = (x.shape[axis], y.shape[axis])
    let parts = y.shape[y.rank - 1]
    let factor = isInverse ? 1 / Double(length) : 1
    let source = x.converted(to: .float64)
    let result = y.dtype == .float64 ? y : Tensor(.float64, y.shape)
    let (from, to) = (source.pointer(as: Double.self), result.pointer(as: Double.self))
    context.pool.forRanges(signals, grain: max(1, 4096 / length)) { range in
      for signal in range {
        let (block, column) = signal.quotientAndRemainder(dividingBy: inner)
        var (re, im) = ([Double](repeating: 0, count: length), [Double](repeating: 0, count: length))
        for n in 0..<min(extent, length) {
          let place = ((block * extent + n) * inner + column) * width
          re[n] = from[place]
          if width == 2 { im[n] = from[place + 1] }
        }
        if isOneSided, isInverse { mirror(&re, &im) }
        transform.run(&re, &im)
        for k in 0..<out {
          let place = ((block * out + k) * inner + column) * parts
          to[place] = re[k] * factor
          if parts == 2 { to[place + 1] = im[k] * factor }
        }
      }
    }
    if y.dtype != .float64 { y.assign(result.converted(to: y.dtype)) }
  }

  /// The upper half of a real signal's spectrum, from the lower one.
  private func mirror(_ re: inout [Double], _ im: inout [Double]) {
    let length = re.count
    im[0] = 0
    if length % 2 == 0 { im[length / 2] = 0 }
    for k in 0..<(length - 1) / 2 { (re[length - 1 - k], im[length - 1 - k]) = (re[k + 1], -im[k + 1]) }
  }
}

/// DFTs of windowed frames of signals `[batch, length, 1 or 2]`: `[batch, frames, bins, 2]`.
struct STFT: Operator {
  static let schema = Schema(
    "STFT", since: 17, inputs: ["signal: T1", "frame_step: T2", "window?: T1", "frame_length?: T2"],
    outputs: ["output: T1"], types: ["T1": .floats, "T2": .indices], attributes: ["onesided": .int(1)])
  private let isOneSided: Bool

  init(_ attributes: Attributes) throws { isOneSided = try attributes.bool("onesided") }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    guard let shape = type.shape else { return [TensorType(type.dtype, Movement.unknown(4))] }
    guard shape.count == 3 || shape.count == 2 else {
      throw DataError("the signal has rank \(shape.count), not 3")
    }
    let step = try Signal.length(inputs.constant(1), "frame_step")
    let window = inputs.has(2) ? try inputs.shape(2)?.first?.value : nil
    let known = inputs.has(2) || inputs.has(3)
    let length =
      try Signal.length(inputs.constant(3), "frame_length") ?? window ?? (known ? nil : shape[1].value)
    guard let step, let length, let extent = shape[1].value else {
      return [TensorType(type.dtype, [shape[0], .unknown, .unknown, 2])]
    }
    if let window, window != length {
      throw DataError("a window of \(window) does not fit frames of \(length)")
    }
    guard length <= extent else { throw DataError("frames of \(length) do not fit a signal of \(extent)") }
    return [
      try Movement.limited(
        type.dtype,
        [shape[0], .known((extent - length) / step + 1), .known(isOneSided ? length / 2 + 1 : length), 2])
    ]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let y = outputs[0], y.count > 0 else { return }
    let step = try Signal.length(inputs[1], "frame_step") ?? 1
    let window = inputs.count > 2 ? inputs[2]?.doubles() : nil
    let given = try Signal.length(inputs.count > 3 ? inputs[3] : nil, "frame_length")
    let length = given ?? window?.count ?? x.shape[1]
    let (extent, width) = (x.shape[1], x.rank == 3 ? x.shape[2] : 1)
    guard width == 1 || width == 2 && !isOneSided else {
      throw DataError("a signal with \(width) parts does not fit: 1, or 2 without onesided")
    }
    let transform = FourierTransform(length: length)
    let (frames, bins) = (y.shape[1], y.shape[2])
    let result = y.dtype == .float64 ? y : Tensor(.float64, y.shape)
    let source = x.converted(to: .float64)
    let (from, to) = (source.pointer(as: Double.self), result.pointer(as: Double.self))
    context.pool.forRanges(y.shape[0] * frames, grain: max(1, 4096 / length)) { range in
      for frame in range {
        let start = frame / frames * extent + frame % frames * step
        var (re, im) = ([Double](repeating: 0, count: length), [Double](repeating: 0, count: length))
        for n in 0..<length {
          let weight = window?[n] ?? 1
          re[n] = weight * from[(start + n) * width]
          if width == 2 { im[n] = weight * from[(start + n) * width + 1] }
        }
        transform.run(&re, &im)
        for k in 0..<bins {
          to[(frame * bins + k) * 2] = re[k]
          to[(frame * bins + k) * 2 + 1] = im[k]
        }
      }
    }
    if y.dtype != .float64 { y.assign(result.converted(to: y.dtype)) }
  }
}
