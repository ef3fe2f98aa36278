import GraphIR

/// The distinct elements (or slices along `axis`), in rising order or in order of appearance, with the
/// position of each one's first appearance, the place of every original in the result, and counts.
struct Unique: Operator {
  static let schema = Schema(
    "Unique", since: 11, inputs: ["X: T"], outputs: ["Y: T", "indices", "inverse_indices", "counts"],
    types: ["T": .all], attributes: ["axis": .none, "sorted": .int(1)])
  static let runsHalf = true
  let axis: Int?
  let sorted: Bool

  init(_ attributes: Attributes) throws {
    axis = try attributes.int("axis")
    sorted = try attributes.bool("sorted")
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let data = try inputs.type(0)
    let groups = try inputs.constant(0).map { try Groups($0, axis, sorted: sorted) }
    let count = groups.map { Dim.known($0.first.count) } ?? .unknown
    var total = Dim.unknown
    var shape: [Dim]? = [count]
    if let axis {
      shape = data.shape
      if let rank = shape?.count {
        let axis = try InferenceInputs.axis(axis, rank: rank)
        total = shape?[axis] ?? .unknown
        shape?[axis] = count
      }
    } else if let dims = data.shape {
      total = dims.reduce(1) { $0 * $1 }
    }
    return [
      TensorType(data.dtype, shape), TensorType(.int64, [count]), TensorType(.int64, [total]),
      TensorType(.int64, [count]),
    ]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    let x = try Movement.input(inputs, 0)
    let groups = try Groups(x, axis, sorted: sorted)
    if let y = outputs[0] {
      guard y.count == groups.first.count * groups.sliceCount else { throw DataError("output does not fit") }
      if y.count > 0 {
        let count = groups.first.count
        RowCopy.gather(
          from: x.pointer, to: y.pointer, count: groups.outer * count, length: groups.inner,
          elementSize: x.dtype.size, context.pool
        ) { ($0 / count * groups.extent + groups.first[$0 % count]) * groups.inner }
      }
    }
    for (position, list) in [groups.first, groups.inverse, groups.counts].enumerated()
    where position + 1 < outputs.count {
      if let output = outputs[position + 1] {
        try Movement.check(output, is: [list.count])
        output.assign(Tensor(list.map { Int64($0) }, shape: [list.count]))
      }
    }
  }

  /// Equal slices put together.
  struct Groups {
    let outer, extent, inner: Int
    /// First appearance, in the order of the result; where each slice went; how many there are of each.
    var first: [Int] = []
    var inverse: [Int] = []
    var counts: [Int] = []

    var sliceCount: Int { outer * inner }

    init(_ x: Tensor, _ axis: Int?, sorted: Bool) throws {
      if let axis {
        let axis = try InferenceInputs.axis(axis, rank: x.rank)
        outer = Shape.count(Array(x.shape[..<axis]))
        extent = x.shape[axis]
        inner = Shape.count(Array(x.shape[(axis + 1)...]))
      } else {
        (outer, extent, inner) = (1, x.count, 1)
      }
      switch x.dtype {
      case .float64, .float32, .float16, .bfloat16: group(x.doubles(), sorted)
      case .uint64: group(x.array(of: UInt64.self), sorted)
      default: group(x.converted(to: .int64).array(of: Int64.self), sorted)
      }
    }

    private mutating func group<T: Comparable>(_ values: [T], _ sorted: Bool) {
      let (outer, extent, inner) = (self.outer, self.extent, self.inner)
      /// -1, 0 or 1 as slice `a` is before, equal to or behind slice `b`.
      func compare(_ a: Int, _ b: Int) -> Int {
        for block in 0..<outer {
          for i in 0..<inner {
            let x = values[(block * extent + a) * inner + i]
            let y = values[(block * extent + b) * inner + i]
            if x < y { return -1 }
            if x > y { return 1 }
            // NaN is unequal to itself: it goes last, each one on its own.
            if x != y { return x == x ? -1 : y == y ? 1 : a < b ? -1 : a == b ? 0 : 1 }
          }
        }
        return 0
      }
      let order = (0..<extent).sorted {
        let sign = compare($0, $1)
        return sign == 0 ? $0 < $1 : sign < 0
      }
      inverse = [Int](repeating: 0, count: extent)
      for slice in order {
        if let last = first.last, compare(last, slice) == 0 {
          counts[counts.count - 1] += 1
        } else {
          first.append(slice)
          counts.append(1)
        }
        inverse[slice] = first.count - 1
      }
      if sorted { return }
      let appearance = first.indices.sorted { first[$0] < first[$1] }
      var place = [Int](repeating: 0, count: first.count)
      for (new, old) in appearance.enumerated() { place[old] = new }
      first = appearance.map { first[$0] }
      counts = appearance.map { counts[$0] }
      inverse = inverse.map { place[$0] }
    }
  }
}
