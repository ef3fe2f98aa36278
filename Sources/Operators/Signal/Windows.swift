import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// A sum of cosines over `size` points: of one period (`periodic`), or from end to end.
protocol CosineWindow: Operator {
  /// The coefficients a₀ − a₁ cos(2πn/N) + a₂ cos(4πn/N).
  static var coefficients: [Double] { get }
  var form: WindowForm { get }
}

struct WindowForm {
  let isPeriodic: Bool
  let dtype: DType

  init(_ attributes: Attributes) throws {
    isPeriodic = try attributes.bool("periodic")
    dtype = try attributes.elementType("output_datatype")
    guard dtype.isFloat || dtype.isInteger else { throw DataError("a window of \(dtype) is not possible") }
  }
}

extension Schema {
  fileprivate static func window(_ name: String) -> Schema {
    Schema(
      name, since: 17, inputs: ["size: T1"], outputs: ["output"], types: ["T1": .indices],
      attributes: ["periodic": .int(1), "output_datatype": .int(Int(DType.float32.rawValue))])
  }
}

extension CosineWindow {
  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    guard let size = inputs.constant(0) else { return [TensorType(form.dtype, [.unknown])] }
    let value = try Signal.number(size, "size")
    guard value >= 0 else { throw DataError("'size' is \(value)") }
    return [try Movement.limited(form.dtype, [.known(Int(saturating: value))])]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let period = Double(form.isPeriodic ? y.count : y.count - 1)
    let values = (0..<y.count).map { n in
      // One point has no period: it is the top of the window.
      guard period > 0 else { return 1.0 }
      return Self.coefficients.enumerated().reduce(0.0) { sum, term in
        sum + (term.offset % 2 == 0 ? 1 : -1) * term.element * cos(2 * .pi * Double(term.offset * n) / period)
      }
    }
    y.assign(Tensor(values, shape: y.shape).converted(to: y.dtype))
  }
}

/// 0.5 − 0.5 cos(2πn/N).
struct HannWindow: CosineWindow {
  static let schema = Schema.window("HannWindow")
  static let coefficients = [0.5, 0.5]
  let form: WindowForm
  init(_ attributes: Attributes) throws { form = try WindowForm(attributes) }
}

/// 25/46 − 21/46 cos(2πn/N).
struct HammingWindow: CosineWindow {
  static let schema = Schema.window("HammingWindow")
  static let coefficients = [25.0 / 46, 21.0 / 46]
  let form: WindowForm
  init(_ attributes: Attributes) throws { form = try WindowForm(attributes) }
}

/// 0.42 − 0.5 cos(2πn/N) + 0.08 cos(4πn/N).
struct BlackmanWindow: CosineWindow {
  static let schema = Schema.window("BlackmanWindow")
  static let coefficients = [0.42, 0.5, 0.08]
  let form: WindowForm
  init(_ attributes: Attributes) throws { form = try WindowForm(attributes) }
}

/// The matrix `[dft_length / 2 + 1, num_mel_bins]` of triangles, evenly spaced on the mel scale
/// 2595 log₁₀(1 + f / 700), that turns a spectrum into mel bins.
struct MelWeightMatrix: Operator {
  static let schema = Schema(
    "MelWeightMatrix", since: 17,
    inputs: [
      "num_mel_bins: T1", "dft_length: T1", "sample_rate: T1", "lower_edge_hertz: T2", "upper_edge_hertz: T2",
    ],
    outputs: ["output"], types: ["T1": .indices, "T2": .floats],
    attributes: ["output_datatype": .int(Int(DType.float32.rawValue))])
  private let dtype: DType

  init(_ attributes: Attributes) throws {
    dtype = try attributes.elementType("output_datatype")
    guard dtype.isFloat || dtype.isInteger else { throw DataError("weights of \(dtype) are not possible") }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let bins = try Signal.length(inputs.constant(0), "num_mel_bins")
    let length = try Signal.length(inputs.constant(1), "dft_length")
    return [
      try Movement.limited(
        dtype, [length.map { .known($0 / 2 + 1) } ?? .unknown, bins.map { .known($0) } ?? .unknown])
    ]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let numbers = try (0..<5).map {
      try Signal.number(Movement.input(inputs, $0), MelWeightMatrix.schema.inputs[$0].name)
    }
    let (rows, bins) = (y.shape[0], y.shape[1])
    let (length, rate, lower, upper) = (numbers[1], numbers[2], numbers[3], numbers[4])
    guard rate > 0, lower >= 0, upper >= lower else {
      throw DataError("a sample rate of \(rate) and edges of \(lower) and \(upper) Hz do not fit together")
    }
    func mel(_ hertz: Double) -> Double { 2595 * log10(1 + hertz / 700) }
    let step = (mel(upper) - mel(lower)) / Double(bins + 2)
    let points = try (0..<bins + 2).map { number in
      let hertz = 700 * (pow(10, (Double(number) * step + mel(lower)) / 2595) - 1)
      let point = ((length + 1) * hertz / rate).rounded(.down)
      guard point < Double(rows) else {
        throw DataError("an edge of \(hertz) Hz is beyond the spectrum of a sample rate of \(rate) Hz")
      }
      return Int(point)
    }
    let weights = Tensor.zeros(.float64, y.shape)
    let values = weights.pointer(as: Double.self)
    for bin in 0..<bins {
      let (left, centre, right) = (points[bin], points[bin + 1], points[bin + 2])
      if left == centre { values[centre * bins + bin] = 1 }
      for row in left..<max(centre, left) {
        values[row * bins + bin] = Double(row - left) / Double(centre - left)
      }
      if left < centre { values[centre * bins + bin] = 1 }
      for row in centre..<max(right, centre) {
        values[row * bins + bin] = Double(right - row) / Double(right - centre)
      }
    }
    y.assign(weights.converted(to: y.dtype))
  }
}
