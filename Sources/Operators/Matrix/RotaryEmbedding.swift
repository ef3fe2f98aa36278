import GraphIR

/// Pairs of numbers of each head rotated by an angle that depends on the position: `X` is
/// `[batch, heads, positions, size]` or `[batch, positions, heads · size]`. A pair is two halves of the head apart, or
/// neighbours (`interleaved`); past `rotary_embedding_dim` numbers stay as they are.
struct RotaryEmbedding: Operator {
  static let schema = Schema(
    "RotaryEmbedding", since: 23,
    inputs: ["X: T", "cos_cache: T", "sin_cache: T", "position_ids?: M"], outputs: ["Y: T"],
    types: ["T": .floats, "M": [.int64]],
    attributes: ["interleaved": .int(0), "num_heads": .none, "rotary_embedding_dim": .int(0)])
  let interleaved: Bool
  let heads: Int?
  let dimension: Int

  init(_ attributes: Attributes) throws {
    interleaved = try attributes.bool("interleaved")
    heads = try attributes.int("num_heads").flatMap { $0 == 0 ? nil : $0 }
    dimension = try attributes.int("rotary_embedding_dim") ?? 0
    guard heads ?? 1 > 0 else { throw DataError("num_heads is \(heads ?? 0)") }
    guard dimension >= 0, dimension % 2 == 0 else {
      throw DataError("rotary_embedding_dim is \(dimension), it must be even")
    }
  }

  var aliasing: Aliasing { .inPlace([0]) }

  /// Batch, positions, heads and head size, as far as they are known.
  private func extents(_ x: [Dim]) throws -> (batch: Dim, positions: Dim, heads: Dim, size: Dim) {
    if x.count == 4 { return (x[0], x[2], x[1], x[3]) }
    guard x.count == 3 else { throw DataError("X has rank \(x.count), not 3 or 4") }
    guard let heads else { throw DataError("num_heads is needed where X has rank 3") }
    if let width = x[2].value, width % heads != 0 {
      throw DataError("a width of \(width) is not cut into \(heads) heads")
    }
    return (x[0], x[1], .known(heads), x[2].map { $0 / heads })
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let type = try inputs.type(0)
    guard let x = type.shape else { return [type] }
    let (batch, positions, _, size) = try extents(x)
    if let size = size.value, dimension > size || (dimension == 0 && size % 2 != 0) {
      throw DataError("\(dimension == 0 ? size : dimension) of \(size) numbers of a head cannot be rotated")
    }
    let half = dimension == 0 ? size.map { $0 / 2 } : .known(dimension / 2)
    for (position, name) in [(1, "cos_cache"), (2, "sin_cache")] {
      guard let cache = try inputs.shape(position) else { continue }
      let needed = inputs.has(3) ? [.unknown, half] : [batch, positions, half]
      guard TensorType(type.dtype, needed).agrees(with: TensorType(type.dtype, cache)) else {
        throw DataError(
          "\(name) is \(try inputs.type(position)) where \(TensorType(type.dtype, needed)) is needed")
      }
    }
    if inputs.has(3), let ids = try inputs.shape(3) {
      guard ids.count == 2, ids[0].agrees(with: batch), ids[1].agrees(with: positions) else {
        throw DataError("position_ids are \(try inputs.type(3)), not [\(batch), \(positions)]")
      }
    }
    return [type]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let x = inputs[0], let cos = inputs[1], let sin = inputs[2], let y = outputs[0], x.count > 0 else {
      return
    }
    let shape = try extents(x.shape.map { .known($0) })
    guard let positions = shape.positions.value, let heads = shape.heads.value, let size = shape.size.value
    else { return }
    var rows = Array(0..<x.shape[0] * positions)
    if inputs.count > 3, let ids = inputs[3] {
      rows = try ids.integers()
      for row in rows where row < 0 || row >= min(cos.shape[0], sin.shape[0]) {
        throw DataError("position \(row) is not in the caches, which have \(min(cos.shape[0], sin.shape[0]))")
      }
    }
    let run = Run(
      x: x, y: y, cos: cos, sin: sin, rows: rows, positions: positions, heads: heads, size: size,
      headsFirst: x.rank == 4, half: cos.shape[cos.rank - 1], interleaved: interleaved, pool: context.pool)
    try x.dtype.visit(run)
  }

  private struct Run: ArithmeticVisitor {
    let x, y, cos, sin: Tensor
    /// The caches' row of each batch element and position.
    let rows: [Int]
    let positions, heads, size: Int
    let headsFirst: Bool
    let half: Int
    let interleaved: Bool
    let pool: ThreadPool

    func visit<T: ArithmeticElement>(_ type: T.Type) {
      let (from, to) = (x.pointer(as: type), y.pointer(as: type))
      let (cosines, sines) = (cos.pointer(as: type), sin.pointer(as: type))
      let (step, partner) = interleaved ? (2, 1) : (1, half)
      pool.forRanges(x.count / size, grain: max(1, 16384 / size)) { range in
        for vector in range {
          let place =
            headsFirst
            ? vector / (heads * positions) * positions + vector % positions : vector / heads
          let (c, s) = (cosines + rows[place] * half, sines + rows[place] * half)
          let (a, b) = (from + vector * size, to + vector * size)
          for i in 0..<half {
            let (p, q) = (a[i &* step], a[i &* step &+ partner])
            b[i &* step] = T.difference(T.product(c[i], p), T.product(s[i], q))
            b[i &* step &+ partner] = T.sum(T.product(s[i], p), T.product(c[i], q))
          }
          for i in 2 * half..<size { b[i] = a[i] }
        }
      }
    }
  }
}
