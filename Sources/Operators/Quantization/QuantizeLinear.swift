import CKernels
import GraphIR

/// y = saturate(round(x / y_scale) + y_zero_point), half to even; floats of 8 and 4 bits are rounded once, without a
/// zero point. One scale for all elements, for each index of `axis`, or for each block of `block_size` along it.
struct QuantizeLinear: Operator {
  static let schema = Schema(
    "QuantizeLinear", since: 28, inputs: ["x: T1", "y_scale: T2", "y_zero_point?: T3"], outputs: ["y"],
    types: [
      "T1": [.float32, .float16, .bfloat16, .int32],
      "T2": [.float32, .float16, .bfloat16, .int32, .float8e8m0], "T3": .quantized,
    ],
    attributes: [
      "axis": .int(1), "block_size": .int(0), "output_dtype": .int(0), "precision": .int(0),
      "saturate": .int(1),
    ])
  private let axis: Int
  private let blockSize: Int
  private let output: DType?
  private let saturates: Bool

  init(_ attributes: Attributes) throws {
    axis = try attributes.int("axis") ?? 1
    blockSize = try attributes.int("block_size") ?? 0
    guard (0...Int(Int32.max)).contains(blockSize) else { throw DataError("block_size is \(blockSize)") }
    output = try attributes.int("output_dtype") ?? 0 == 0 ? nil : attributes.elementType("output_dtype")
    if let output, !Set<DType>.quantized.contains(output) { throw DataError("cannot quantize to \(output)") }
    saturates = try attributes.bool("saturate")
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let zero = inputs.has(2) ? try inputs.dtype(2) : nil
    if let zero, let output, zero != output {
      throw DataError("output_dtype is \(output), the zero point \(zero)")
    }
    if let x = try inputs.type(0).concreteShape, let scale = try inputs.type(1).concreteShape {
      _ = try ScaleLayout(x, scale: scale, axis: axis, blockSize: blockSize)
    }
    return [TensorType(zero ?? output ?? .uint8, try inputs.shape(0))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let scale = inputs[1], let y = outputs[0] else { return }
    let layout = try ScaleLayout(x.shape, scale: scale.shape, axis: axis, blockSize: blockSize)
    let scales = Quantization.floats(scale)
    let zero = inputs.count > 2 ? inputs[2] : nil
    let points = zero.map(Quantization.floats)
    if let points, points.count != scales.count {
      throw DataError("\(points.count) zero points do not fit \(scales.count) scales")
    }
    let write = try Quantization.writer(y, saturating: saturates)
    let isFloat = SmallFloat(y.dtype) != nil
    layout.forEachRun(context.pool) { range, first, step in
      let values = Quantization.floats(x.reshaped([x.count]).rows(range))
      for (offset, value) in values.enumerated() {
        let place = first + offset * step
        let quotient = value / scales[place]
        let whole = isFloat ? quotient : quotient.rounded(.toNearestOrEven)
        write(whole + (points?[place] ?? 0), range.lowerBound + offset)
      }
    }
  }
}

/// y = (x − x_zero_point) · x_scale.
struct DequantizeLinear: Operator {
  static let schema = Schema(
    "DequantizeLinear", since: 28, inputs: ["x: T1", "x_scale: T2", "x_zero_point?: T1"], outputs: ["y"],
    types: [
      "T1": .quantized.union([.int32]), "T2": [.float32, .float16, .bfloat16, .float8e8m0],
    ],
    attributes: ["axis": .int(1), "block_size": .int(0), "output_dtype": .int(0)])
  private let axis: Int
  private let blockSize: Int
  private let output: DType?

  init(_ attributes: Attributes) throws {
    axis = try attributes.int("axis") ?? 1
    blockSize = try attributes.int("block_size") ?? 0
    guard (0...Int(Int32.max)).contains(blockSize) else { throw DataError("block_size is \(blockSize)") }
    output = try attributes.int("output_dtype") ?? 0 == 0 ? nil : attributes.elementType("output_dtype")
    if let output, !output.isFloat { throw DataError("values do not become \(output)") }
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    if let x = try inputs.type(0).concreteShape, let scale = try inputs.type(1).concreteShape {
      _ = try ScaleLayout(x, scale: scale, axis: axis, blockSize: blockSize)
    }
    let scale = try inputs.dtype(1)
    return [TensorType(output ?? (scale.isFloat ? scale : .float32), try inputs.shape(0))]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let scale = inputs[1], let y = outputs[0] else { return }
    let layout = try ScaleLayout(x.shape, scale: scale.shape, axis: axis, blockSize: blockSize)
    let scales = Quantization.floats(scale)
    let points = (inputs.count > 2 ? inputs[2] : nil).map(Quantization.floats)
    if let points, points.count != scales.count {
      throw DataError("\(points.count) zero points do not fit \(scales.count) scales")
    }
    let result = y.dtype == .float32 ? y : Tensor(.float32, y.shape)
    let out = result.pointer(as: Float.self)
    layout.forEachRun(context.pool) { range, first, step in
      if x.dtype == .int8 || x.dtype == .uint8 {
        let target = out + range.lowerBound
        return scales.withUnsafeBufferPointer { scales in
          let scale = scales.baseAddress! + first
          func write(_ zero: UnsafePointer<Float>?) {
            if x.dtype == .int8 {
              ck_dequantize_s8(
                x.pointer(as: Int8.self) + range.lowerBound, target, range.count, scale, zero, step)
            } else {
              ck_dequantize_u8(
                x.pointer(as: UInt8.self) + range.lowerBound, target, range.count, scale, zero, step)
            }
          }
          guard let points else { return write(nil) }
          points.withUnsafeBufferPointer { write($0.baseAddress! + first) }
        }
      }
      let values = Quantization.floats(x.reshaped([x.count]).rows(range))
      for (offset, value) in values.enumerated() {
        let place = first + offset * step
        out[range.lowerBound + offset] = (value - (points?[place] ?? 0)) * scales[place]
      }
    }
    if y.dtype != .float32 { y.assign(result.converted(to: y.dtype)) }
  }
}

/// y = QuantizeLinear(x) as uint8 with a scale and a zero point that make the most of the range of x and 0.
struct DynamicQuantizeLinear: Operator {
  static let schema = Schema(
    "DynamicQuantizeLinear", since: 11, inputs: ["x: T1"], outputs: ["y", "y_scale", "y_zero_point"],
    types: ["T1": [.float32]])

  init(_ attributes: Attributes) {}

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    [
      TensorType(.uint8, try inputs.shape(0)), TensorType(.float32, [Int]()),
      TensorType(.uint8, [Int]()),
    ]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0] else { return }
    let values = x.pointer(as: Float.self)
    var (least, greatest) = (Float(0), Float(0))
    for index in 0..<x.count {
      least = min(least, values[index])
      greatest = max(greatest, values[index])
    }
    // All zeros have any scale.
    let scale = greatest == least ? 1 : (greatest - least) / 255
    let zero = max(0, min(255, (-least / scale).rounded(.toNearestOrEven)))
    if let y = outputs[0] {
      let write = try Quantization.writer(y)
      context.pool.forRanges(x.count, grain: Elementwise.grain) { range in
        for index in range { write((values[index] / scale).rounded(.toNearestOrEven) + zero, index) }
      }
    }
    if outputs.count > 1 { outputs[1]?.assign(Tensor(scalar: scale)) }
    if outputs.count > 2 { outputs[2]?.assign(Tensor(scalar: UInt8(zero))) }
  }
}
