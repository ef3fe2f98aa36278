import GraphIR

/// Resizes along the axes of a tensor: what Resize and Upsample run.
struct Resizer {
  let method: ResizeMethod
  let axes: [ResizeAxis]

  func run(_ x: Tensor, _ y: Tensor, _ pool: ThreadPool) throws {
    if y.count == 0 { return }
    guard x.count > 0 else { throw DataError("an empty tensor cannot grow to \(Shape.text(y.shape))") }
    if method.mode == .nearest {
      let fill = Tensor(scalar: method.extrapolation).converted(to: y.dtype)
      IndexMapCopy(shape: x.shape, maps: axes.map { $0.nearestMap() })
        .run(from: x.pointer, to: y.pointer, elementSize: x.dtype.size, fill: fill, pool)
      return
    }
    switch x.dtype {
    case .float32: resample(x, y, Float.self, pool)
    case .float64: resample(x, y, Double.self, pool)
    case .int32, .int64, .uint32, .uint64: through(.float64, x, y, Double.self, pool)
    default: through(.float32, x, y, Float.self, pool)
    }
  }

  /// Resamples in another type; the result is rounded to the output's (integers: toward zero, saturated).
  private func through<T: BinaryFloatingPoint>(
    _ dtype: DType, _ x: Tensor, _ y: Tensor, _ type: T.Type, _ pool: ThreadPool
  ) {
    let wide = Tensor(dtype, y.shape)
    resample(x.converted(to: dtype), wide, type, pool)
    y.assign(wide.converted(to: y.dtype))
  }

  /// One axis after another, the innermost first.
  private func resample<T: BinaryFloatingPoint>(
    _ x: Tensor, _ y: Tensor, _ type: T.Type, _ pool: ThreadPool
  ) {
    var pending = axes.indices.reversed().filter { !axes[$0].isIdentity }
    var current = x
    if pending.isEmpty { y.assign(x) }
    while !pending.isEmpty {
      let axis = pending.removeFirst()
      var shape = current.shape
      let extent = shape[axis]
      shape[axis] = axes[axis].output
      let next = pending.isEmpty ? y : Tensor(y.dtype, shape)
      axes[axis].taps().apply(
        UnsafePointer(current.pointer(as: type)), next.pointer(as: type),
        outer: Shape.count(Array(shape[..<axis])), extent: extent,
        inner: Shape.count(Array(shape[(axis + 1)...])), extrapolation: T(method.extrapolation), pool)
      current = next
    }
  }
}
