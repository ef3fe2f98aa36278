import GraphIR

/// How several operands are read while a broadcast result is written in order.
///
/// Neighbouring axes that every operand walks alike are merged, so the innermost run is as long as it can
/// be. On it, each operand either advances by one element or stands still.
struct BroadcastWalk {
  /// Elements of the result.
  let count: Int
  /// The extent of the innermost axis.
  let inner: Int
  /// 0 or 1 for each operand.
  let innerStrides: [Int]
  /// Axes around the innermost one, slowest first.
  private let extents: [Int]
  /// For each of them the strides of all operands.
  private let strides: [Int]
  private let operands: Int

  /// `shapes` broadcast to `result`.
  init(result: [Int], _ shapes: [[Int]]) {
    let all = shapes.map { Shape.broadcastStrides($0, to: result) }
    var extents: [Int] = []
    var steps: [[Int]] = []
    for axis in result.indices where result[axis] != 1 {
      let step = all.map { $0[axis] }
      if let last = steps.last, zip(last, step).allSatisfy({ $0 == $1 * result[axis] }) {
        extents[extents.count - 1] *= result[axis]
        steps[steps.count - 1] = step
      } else {
        extents.append(result[axis])
        steps.append(step)
      }
    }
    count = Shape.count(result)
    operands = shapes.count
    inner = extents.popLast() ?? 1
    innerStrides = steps.popLast() ?? [Int](repeating: 0, count: shapes.count)
    self.extents = extents
    strides = steps.flatMap { $0 }
  }

  /// Calls `body(start, n, offsets)` for the runs that make up `range` of the result: where the run starts
  /// in the result, its length, and where each operand's first element is.
  func forEachRun(_ range: Range<Int>, _ body: (Int, Int, UnsafePointer<Int>) -> Void) {
    let axes = extents.count
    withUnsafeTemporaryAllocation(of: Int.self, capacity: axes + operands * 2) { memory in
      let index = memory.baseAddress!
      let base = index + axes
      let offsets = base + operands
      extents.withUnsafeBufferPointer { extents in
        strides.withUnsafeBufferPointer { strides in
          for k in 0..<operands { base[k] = 0 }
          var rest = range.lowerBound / inner
          for axis in stride(from: axes - 1, through: 0, by: -1) {
            index[axis] = rest % extents[axis]
            rest /= extents[axis]
            for k in 0..<operands { base[k] += index[axis] * strides[axis * operands + k] }
          }
          var within = range.lowerBound % inner
          var position = range.lowerBound
          while position < range.upperBound {
            let n = min(inner - within, range.upperBound - position)
            for k in 0..<operands { offsets[k] = base[k] + within * innerStrides[k] }
            body(position, n, offsets)
            position += n
            within = 0
            var axis = axes - 1
            while axis >= 0 {
              index[axis] += 1
              for k in 0..<operands { base[k] += strides[axis * operands + k] }
              if index[axis] < extents[axis] { break }
              for k in 0..<operands { base[k] -= extents[axis] * strides[axis * operands + k] }
              index[axis] = 0
              axis -= 1
            }
          }
        }
      }
    }
  }
}

/// Shapes and the cutting of work shared by element-wise operators.
enum Elementwise {
  /// Elements that one piece of work covers. A multiple of a cache line for every element type.
  static let grain = 16384

  /// The type of a function of the first two inputs, broadcast: the element type of the first.
  static func pairType(_ inputs: InferenceInputs) throws -> TensorType {
    TensorType(try inputs.dtype(0), try broadcast([inputs.shape(0), inputs.shape(1)]))
  }

  /// The shape that all shapes broadcast to; nil when a rank is not known.
  /// - Throws: `DataError` that shows the two shapes that do not fit.
  static func broadcast(_ shapes: [[Dim]?]) throws -> [Dim]? {
    var result: [Dim] = []
    var known = true
    for shape in shapes {
      guard let shape else {
        known = false
        continue
      }
      guard let joined = Shape.broadcast(result, shape) else {
        throw DataError("shapes \(text(result)) and \(text(shape)) do not broadcast")
      }
      result = joined
    }
    return known ? result : nil
  }

  static func text(_ shape: [Dim]) -> String {
    "[" + shape.map(\.description).joined(separator: ", ") + "]"
  }
}
