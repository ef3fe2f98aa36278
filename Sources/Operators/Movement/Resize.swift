import GraphIR

/// The input resized along some axes, to scaled or given extents.
struct Resize: Operator {
  static let schema = Schema(
    "Resize", since: 19, inputs: ["X: T1", "roi[1]?: R", "scales[1]?: R", "sizes[1]?: S"], outputs: ["Y: T1"],
    types: ["T1": .all, "R": .floats, "S": [.int64]],
    attributes: [
      "mode": .string("nearest"), "coordinate_transformation_mode": .string("half_pixel"),
      "nearest_mode": .string("round_prefer_floor"), "cubic_coeff_a": .float(-0.75),
      "exclude_outside": .int(0), "extrapolation_value": .float(0), "antialias": .int(0), "axes": .none,
      "keep_aspect_ratio_policy": .string("stretch"),
    ])
  static let runsHalf = true
  static let movesElements = true

  enum Policy: String {
    case stretch
    case notLarger = "not_larger"
    case notSmaller = "not_smaller"
  }

  let method: ResizeMethod
  let axes: [Int]?
  let policy: Policy
  /// Positions of the inputs; opset 10 has scales alone.
  private let roi, scales, sizes: Int?

  init(_ attributes: Attributes) throws {
    var method = ResizeMethod()
    method.mode = try Resize.choice(attributes, "mode")
    if attributes.opset < 11 {
      guard method.mode != .cubic else { throw DataError("mode 'cubic' came with opset 11") }
      (roi, scales, sizes) = (nil, 1, nil)
      axes = nil
      policy = .stretch
      self.method = method
      return
    }
    (roi, scales, sizes) = (1, 2, 3)
    method.coordinates = try Resize.choice(attributes, "coordinate_transformation_mode")
    method.nearest = try Resize.choice(attributes, "nearest_mode")
    guard method.nearest != .simple else { throw DataError("nearest_mode 'simple' is unknown") }
    method.cubicA = Double(try attributes.float("cubic_coeff_a") ?? -0.75)
    method.excludeOutside = try attributes.bool("exclude_outside")
    method.extrapolation = try attributes.float("extrapolation_value") ?? 0
    method.antialias = try attributes.bool("antialias")
    guard !(method.antialias && method.mode == .nearest) else {
      throw DataError("antialias does not go with mode nearest")
    }
    axes = try attributes.ints("axes")
    policy = try Resize.choice(attributes, "keep_aspect_ratio_policy")
    self.method = method
  }

  static func choice<T: RawRepresentable>(_ attributes: Attributes, _ name: String) throws -> T
  where T.RawValue == String {
    let given = try attributes.required(name, attributes.string(name))
    guard let value = T(rawValue: given) else { throw DataError("\(name) '\(given)' is not supported") }
    return value
  }

  /// A tensor that is there and not empty: ONNX writes absent scales and sizes either way.
  private static func given(_ tensor: Tensor?) -> Tensor? { tensor.flatMap { $0.count == 0 ? nil : $0 } }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    guard var shape = data.shape else { return [TensorType(data.dtype, nil)] }
    let axes = try Movement.axes(self.axes ?? Array(shape.indices), rank: shape.count)
    let scales = Resize.given(self.scales.flatMap { inputs.constant($0) })?.doubles()
    let sizes = Resize.given(self.sizes.flatMap { inputs.constant($0) })
    for (name, position) in [("scales", self.scales), ("sizes", self.sizes)] {
      guard let position, inputs.has(position), let count = try inputs.shape(position)?.first?.value else {
        continue
      }
      guard count == 0 || count == axes.count else {
        throw DataError("\(count) \(name) do not fit \(axes.count) axes")
      }
    }
    if let sizes, scales == nil {
      let extents = axes.map { shape[$0].value ?? -1 }
      let wanted = try self.sizes(sizes, extents)
      for (position, axis) in axes.enumerated() {
        shape[axis] = wanted[position].map { .known($0) } ?? .unknown
      }
    } else if let scales, sizes == nil {
      try Resize.check(scales, axes.count)
      for (axis, scale) in zip(axes, scales) {
        if let extent = shape[axis].value {
          shape[axis] = .known(try Resize.scaled(extent, scale))
        } else if scale != 1 {
          shape[axis] = .unknown
        }
      }
    } else if scales != nil {
      throw DataError("scales and sizes are both given")
    } else {
      let present = [self.scales, self.sizes].contains {
        $0.map { inputs.has($0) && inputs.constant($0) == nil } ?? false
      }
      guard present else { throw DataError("neither scales nor sizes are given") }
      for axis in axes { shape[axis] = .unknown }
    }
    return [try Movement.limited(data.dtype, shape)]
  }

  static func check(_ scales: [Double], _ count: Int) throws {
    guard scales.count == count else { throw DataError("\(scales.count) scales do not fit \(count) axes") }
    if let bad = scales.first(where: { !($0 > 0 && $0 < 1e9) }) {
      throw DataError("scale \(bad) is out of range")
    }
  }

  /// ⌊extent · scale⌋ in float32: a scale of 0.7 takes 10 to 7, though the float nearest to 0.7 is below it.
  static func scaled(_ extent: Int, _ scale: Double) throws -> Int {
    let product = Float(extent) * Float(scale)
    guard product < 1e15 else { throw DataError("extent \(extent) scaled by \(scale) is too large") }
    return Int(product)
  }

  /// Output extents along the axes; nil where an unknown input extent (-1) leaves them open.
  private func sizes(_ tensor: Tensor, _ extents: [Int]) throws -> [Int?] {
    let sizes = try tensor.integers()
    guard sizes.count == extents.count else {
      throw DataError("\(sizes.count) sizes do not fit \(extents.count) axes")
    }
    for (size, extent) in zip(sizes, extents) where size < 0 || (extent == 0 && size != 0) {
      throw DataError("an axis of extent \(extent) cannot be resized to \(size)")
    }
    if policy == .stretch { return sizes }
    guard let scale = scale(sizes, extents) else { return sizes.map { _ in nil } }
    return try extents.map { extent in
      let size = (scale * Double(extent) + 0.5).rounded(.down)
      guard size < 1e15 else { throw DataError("extent \(extent) scaled by \(scale) is too large") }
      return Int(size)
    }
  }

  /// The one scale that keeps the aspect ratio; nil while an extent is not known.
  private func scale(_ sizes: [Int], _ extents: [Int]) -> Double? {
    guard !extents.contains(where: { $0 <= 0 }) else { return nil }
    let ratios = zip(sizes, extents).map { Double($0) / Double($1) }
    return policy == .notLarger ? ratios.min() : ratios.max()
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let x = try Movement.input(inputs, 0)
    try Resizer(method: method, axes: try plan(inputs, from: x.shape, to: y.shape)).run(x, y, context.pool)
  }

  /// Every axis with its numbers settled.
  func plan(_ inputs: [Tensor?], from shape: [Int], to output: [Int]) throws -> [ResizeAxis] {
    let axes = try Movement.axes(self.axes ?? Array(shape.indices), rank: shape.count)
    let extents = axes.map { shape[$0] }
    var ratios: [Double]
    if let scales = Resize.given(self.scales.flatMap { Movement.optional(inputs, $0) }) {
      ratios = scales.doubles()
      try Resize.check(ratios, axes.count)
    } else if let sizes = Resize.given(self.sizes.flatMap { Movement.optional(inputs, $0) }) {
      let list = try sizes.integers()
      guard list.count == axes.count else {
        throw DataError("\(list.count) sizes do not fit \(axes.count) axes")
      }
      let common = policy == .stretch ? nil : scale(list, extents)
      ratios = zip(list, extents).map { common ?? ($1 == 0 ? 1 : Double($0) / Double($1)) }
    } else {
      throw DataError("neither scales nor sizes are given")
    }
    var plan = shape.indices.map {
      ResizeAxis(method: method, input: shape[$0], output: output[$0], scale: 1)
    }
    let regions = try regions(inputs, axes.count)
    for (position, axis) in axes.enumerated() {
      plan[axis] = ResizeAxis(
        method: method, input: shape[axis], output: output[axis], scale: ratios[position],
        start: regions.start[position], end: regions.end[position])
    }
    return plan
  }

  /// Starts and ends of the region along each axis.
  private func regions(_ inputs: [Tensor?], _ count: Int) throws -> (start: [Double], end: [Double]) {
    guard method.coordinates == .cropAndResize else {
      return ([Double](repeating: 0, count: count), [Double](repeating: 1, count: count))
    }
    let values = roi.flatMap { Movement.optional(inputs, $0) }?.doubles() ?? []
    guard values.count == 2 * count else {
      throw DataError("roi has \(values.count) numbers, \(2 * count) are needed")
    }
    if let bad = values.first(where: { !(abs($0) < 1e9) }) { throw DataError("roi \(bad) is out of range") }
    return (Array(values[..<count]), Array(values[count...]))
  }
}
