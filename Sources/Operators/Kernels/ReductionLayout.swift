import GraphIR

/// Where the elements that one result is reduced from lie in a dense tensor.
///
/// Axes of one element vanish and neighbours of one kind merge, so kept and reduced axes alternate.
struct ReductionLayout {
  private struct Axis {
    var extent: Int
    var stride: Int
  }
  private let kept: [Axis]
  private let reduced: [Axis]
  /// Whether runs along the innermost axis are reduced to one result; otherwise it runs over results.
  let reducesInner: Bool
  /// The extent of the innermost axis.
  let inner: Int
  /// Results, without those along the innermost axis where it is kept.
  let outerResults: Int
  /// Elements that make one result.
  let reducedCount: Int

  /// `isReduced` tells for each axis of `shape`.
  init(_ shape: [Int], _ isReduced: [Bool]) {
    let strides = Shape.strides(shape)
    var axes: [(axis: Axis, reduced: Bool)] = []
    for axis in shape.indices where shape[axis] != 1 {
      if let last = axes.last, last.reduced == isReduced[axis] {
        axes[axes.count - 1].axis.extent *= shape[axis]
        axes[axes.count - 1].axis.stride = strides[axis]
      } else {
        axes.append((Axis(extent: shape[axis], stride: strides[axis]), isReduced[axis]))
      }
    }
    let innermost = axes.popLast()
    inner = innermost?.axis.extent ?? 1
    reducesInner = innermost?.reduced ?? true
    kept = axes.filter { !$0.reduced }.map(\.axis)
    reduced = axes.filter(\.reduced).map(\.axis)
    outerResults = kept.reduce(1) { $0 * $1.extent }
    reducedCount = reduced.reduce(reducesInner ? inner : 1) { $0 * $1.extent }
  }

  /// The first element that belongs to a result (in row-major order of the kept outer axes).
  func start(_ result: Int) -> Int { ReductionLayout.offset(result, kept) }

  /// Calls `body` with the offset, from a result's start, of each run along the innermost axis.
  @inline(__always)
  func forEachRun(_ body: (Int) -> Void) {
    let runs = reduced.reduce(1) { $0 * $1.extent }
    if reduced.count <= 1 {
      let step = reduced.first?.stride ?? 0
      for run in 0..<runs { body(run * step) }
    } else {
      for run in 0..<runs { body(ReductionLayout.offset(run, reduced)) }
    }
  }

  private static func offset(_ index: Int, _ axes: [Axis]) -> Int {
    var rest = index
    var offset = 0
    for axis in axes.reversed() {
      offset += rest % axis.extent * axis.stride
      rest /= axis.extent
    }
    return offset
  }
}
