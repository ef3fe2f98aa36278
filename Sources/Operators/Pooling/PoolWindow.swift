import GraphIR

/// One spatial axis of a pool with every number settled.
struct PoolAxis {
  var input: Int
  var kernel: Int
  var stride = 1
  var dilation = 1
  /// Padding before the first and after the last element.
  var before = 0
  var after = 0
  var output = 1

  /// The taps of one window: where its first tap inside the input is, how many are inside the input, and how many
  /// are inside the padded input.
  struct Window {
    var first: Int
    var count: Int
    var padded: Int
  }

  func window(_ index: Int) -> Window {
    let start = index * stride - before
    func tapsBefore(_ limit: Int) -> Int {
      limit <= start ? 0 : min(kernel, (limit - start + dilation - 1) / dilation)
    }
    let skipped = tapsBefore(0)
    return Window(
      first: start + skipped * dilation, count: max(0, tapsBefore(input) - skipped),
      padded: tapsBefore(input + after))
  }
}

/// The attributes that pools share.
struct PoolWindow {
  let window: ConvolutionWindow
  let kernel: [Int]
  let ceil: Bool

  static let attributes: [String: Schema.Default] = [
    "auto_pad": .string("NOTSET"), "ceil_mode": .int(0), "dilations": .none, "kernel_shape": .none,
    "pads": .none, "strides": .none,
  ]

  /// - Throws: `DataError` when an attribute is missing or out of range, or does not fit `kernel_shape`.
  init(_ attributes: Attributes) throws {
    window = try ConvolutionWindow(attributes)
    kernel = try attributes.required("kernel_shape", window.kernelShape)
    ceil = try attributes.bool("ceil_mode")
    _ = try window.kernel(kernel.map { Dim.known($0) }[...])
  }

  /// - Throws: `DataError` when the kernel reaches past the padded input.
  func axis(_ axis: Int, input: Int) throws -> PoolAxis {
    let plain = try window.axis(axis, input: input, kernel: kernel[axis], rank: kernel.count)
    var result = PoolAxis(
      input: input, kernel: plain.kernel, stride: plain.stride, dilation: plain.dilation,
      before: plain.padding, output: plain.output)
    switch window.padding {
    case .explicit: result.after = window.pads?[kernel.count + axis] ?? 0
    case .valid: break
    case .sameUpper, .sameLower:
      result.after = max(0, (plain.output - 1) * plain.stride + plain.reach - input - plain.padding)
    }
    if ceil, window.padding == .explicit {
      if (input + result.before + result.after - plain.reach) % plain.stride > 0 { result.output += 1 }
      // A window must start inside the input or the padding before it.
      if (result.output - 1) * plain.stride >= input + result.before { result.output -= 1 }
    }
    return result
  }

  /// The output's shape, `[N, C, O1, …]`.
  func shape(_ x: [Dim]) throws -> [Dim] {
    guard x.count == kernel.count + 2 else {
      throw DataError("the input has rank \(x.count), kernel_shape is for \(kernel.count) spatial axes")
    }
    guard (1...3).contains(kernel.count) else {
      throw DataError("\(kernel.count) spatial axes, 1 to 3 are supported")
    }
    return try [x[0], x[1]]
      + kernel.indices.map { index in
        guard let input = x[index + 2].value else { return .unknown }
        return .known(try axis(index, input: input).output)
      }
  }

  /// The axes for a concrete input.
  func axes(_ x: [Int]) throws -> [PoolAxis] {
    try kernel.indices.map { try axis($0, input: x[$0 + 2]) }
  }
}
