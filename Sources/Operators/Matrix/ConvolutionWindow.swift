import GraphIR

/// One spatial axis of a convolution with every number settled.
struct ConvolutionAxis: Equatable {
  var input = 1
  var kernel = 1
  var stride = 1
  var dilation = 1
  /// Zeros before the first element.
  var padding = 0
  var output = 1

  /// How far one placement of the kernel reaches.
  var reach: Int { (kernel - 1) * dilation + 1 }
}

/// The attributes that Conv and ConvTranspose share.
struct ConvolutionWindow {
  enum Padding: String {
    case explicit = "NOTSET"
    case valid = "VALID"
    case sameUpper = "SAME_UPPER"
    case sameLower = "SAME_LOWER"
  }

  let kernelShape: [Int]?
  let strides: [Int]?
  let dilations: [Int]?
  /// All begins, then all ends.
  let pads: [Int]?
  let padding: Padding
  let group: Int

  /// - Throws: `DataError` when a number is out of range or `auto_pad` is unknown.
  init(_ attributes: Attributes) throws {
    func list(_ name: String, atLeast least: Int) throws -> [Int]? {
      guard let values = try attributes.ints(name), !values.isEmpty else { return nil }
      for value in values where value < least || value > Int(Int32.max) {
        throw DataError("attribute '\(name)' holds \(value), which is out of range")
      }
      return values
    }
    kernelShape = try list("kernel_shape", atLeast: 1)
    strides = try list("strides", atLeast: 1)
    dilations = try list("dilations", atLeast: 1)
    pads = try list("pads", atLeast: 0)
    let mode = try attributes.string("auto_pad") ?? ""
    guard let padding = Padding(rawValue: mode.isEmpty ? "NOTSET" : mode) else {
      throw DataError("auto_pad '\(mode)' is not known")
    }
    self.padding = padding
    group = try attributes.int("group") ?? 1
    guard group >= 1, group <= Int(Int32.max) else { throw DataError("group is \(group)") }
  }

  /// The kernel's extents, from the weight's spatial axes and `kernel_shape`.
  /// - Throws: `DataError` when they contradict each other or the number of spatial axes.
  func kernel(_ weight: ArraySlice<Dim>) throws -> [Dim] {
    let rank = weight.count
    for (name, count) in [
      ("kernel_shape", kernelShape?.count), ("strides", strides?.count),
      ("dilations", dilations?.count), ("pads", pads.map { $0.count / 2 }),
    ] {
      if let count, count != rank {
        throw DataError("attribute '\(name)' is for \(count) spatial axes, the weight has \(rank)")
      }
    }
    if let pads, pads.count % 2 != 0 { throw DataError("attribute 'pads' holds \(pads.count) numbers") }
    for (axis, dim) in weight.enumerated() {
      if let value = dim.value, value < 1 || value > Int(Int32.max) {
        throw DataError("the kernel has an extent of \(value)")
      }
      if let kernelShape, !dim.agrees(with: .known(kernelShape[axis])) {
        throw DataError("kernel_shape \(Shape.text(kernelShape)) differs from the weight's")
      }
    }
    return weight.enumerated().map { axis, dim in
      dim.value == nil ? kernelShape.map { .known($0[axis]) } ?? dim : dim
    }
  }

  /// Settles axis `axis` of a convolution.
  /// - Throws: `DataError` when the kernel reaches past the padded input.
  func axis(_ axis: Int, input: Int, kernel: Int, rank: Int) throws -> ConvolutionAxis {
    guard input > 0, input <= Int(Int32.max) else { throw DataError("a spatial axis has extent \(input)") }
    var result = ConvolutionAxis(
      input: input, kernel: kernel, stride: strides?[axis] ?? 1, dilation: dilations?[axis] ?? 1)
    var total = 0
    switch padding {
    case .explicit:
      result.padding = pads?[axis] ?? 0
      total = result.padding + (pads?[rank + axis] ?? 0)
    case .valid: break
    case .sameUpper, .sameLower:
      let output = (input + result.stride - 1) / result.stride
      total = max(0, (output - 1) * result.stride + result.reach - input)
      result.padding = padding == .sameUpper ? total / 2 : total - total / 2
    }
    let padded = input + total
    guard padded >= result.reach else {
      throw DataError(
        "a kernel that reaches over \(result.reach) does not fit \(input) + \(total) padded elements")
    }
    result.output = (padded - result.reach) / result.stride + 1
    return result
  }
}
