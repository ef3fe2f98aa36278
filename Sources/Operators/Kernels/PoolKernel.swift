import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// What a pool makes of the elements of a window.
protocol PoolFold {
  func add(_ sum: Double, _ x: Double) -> Double
  /// - Parameters:
  ///   - count: elements of the window that are inside the input.
  ///   - padded: those inside the padded input.
  func finish(_ sum: Double, count: Int, padded: Int) -> Double
}

struct AverageFold: PoolFold {
  let countsPadding: Bool

  @inline(__always) func add(_ sum: Double, _ x: Double) -> Double { sum + x }
  @inline(__always) func finish(_ sum: Double, count: Int, padded: Int) -> Double {
    sum / Double(countsPadding ? padded : count)
  }
}

/// (Σ |x|ᵖ)^(1/p).
struct LpFold: PoolFold {
  let p: Double

  @inline(__always) func add(_ sum: Double, _ x: Double) -> Double {
    p == 2 ? sum + x * x : p == 1 ? sum + abs(x) : sum + pow(abs(x), p)
  }
  @inline(__always) func finish(_ sum: Double, count: Int, padded: Int) -> Double {
    p == 2 ? sum.squareRoot() : p == 1 ? sum : pow(sum, 1 / p)
  }
}

/// Loops over windows of up to three axes; items of work are planes, one for each batch element and channel.
struct PoolKernel {
  let planes: Int
  /// Three axes, those that the input lacks in front.
  private let axes: [PoolAxis]
  private let windows: [[PoolAxis.Window]]
  private let inputs: Int
  private let outputs: Int

  init(planes: Int, axes: [PoolAxis]) {
    self.planes = planes
    self.axes = [PoolAxis](repeating: PoolAxis(input: 1, kernel: 1), count: 3 - axes.count) + axes
    windows = self.axes.map { axis in (0..<axis.output).map(axis.window) }
    inputs = self.axes.reduce(1) { $0 * $1.input }
    outputs = self.axes.reduce(1) { $0 * $1.output }
  }

  /// Calls `body` for each output of plane after plane.
  @inline(__always) private func forEachWindow(
    _ pool: ThreadPool,
    _ body: (_ plane: Int, _ output: Int, PoolAxis.Window, PoolAxis.Window, PoolAxis.Window) -> Void
  ) {
    let taps = axes.reduce(1) { $0 &* $1.kernel }
    let grain = max(1, 32768 / max(1, outputs &* max(1, taps)))
    pool.forRanges(planes, grain: grain) { range in
      for plane in range {
        var output = plane * outputs
        for z in windows[0] {
          for y in windows[1] {
            for x in windows[2] {
              body(plane, output, z, y, x)
              output += 1
            }
          }
        }
      }
    }
  }

  func fold<T: ArithmeticElement, Fold: PoolFold>(
    _ fold: Fold, _ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>, _ pool: ThreadPool
  ) {
    let (width, height) = (axes[2].input, axes[1].input)
    let steps = axes.map(\.dilation)
    forEachWindow(pool) { plane, output, wz, wy, wx in
      var sum = 0.0
      for z in 0..<wz.count {
        for y in 0..<wy.count {
          let row =
            x + plane * inputs + ((wz.first + z * steps[0]) * height + wy.first + y * steps[1]) * width
          for k in 0..<wx.count { sum = fold.add(sum, row[wx.first + k * steps[2]].double) }
        }
      }
      y[output] = T(
        rounding: fold.finish(
          sum, count: wz.count * wy.count * wx.count, padded: wz.padded * wy.padded * wx.padded))
    }
  }

  /// The largest elements, and where each was found: an index into the whole input, the first spatial axis fastest
  /// within a plane when `columnMajor`. A NaN counts as the largest.
  func largest<T: ArithmeticElement>(
    _ x: UnsafePointer<T>, _ y: UnsafeMutablePointer<T>?, _ indices: UnsafeMutablePointer<Int64>?,
    columnMajor: Bool, _ pool: ThreadPool
  ) {
    let (depth, height, width) = (axes[0].input, axes[1].input, axes[2].input)
    let steps = axes.map(\.dilation)
    forEachWindow(pool) { plane, output, wz, wy, wx in
      var best = T.lowest
      var place = -1
      for z in 0..<wz.count {
        for y in 0..<wy.count {
          let first =
            ((wz.first + z * steps[0]) * height + wy.first + y * steps[1]) * width + wx.first
          for k in 0..<wx.count {
            let value = x[plane * inputs + first + k * steps[2]]
            if place < 0 || value > best || (value.isNotANumber && !best.isNotANumber) {
              best = value
              place = first + k * steps[2]
            }
          }
        }
      }
      y?[output] = best
      guard let indices else { return }
      if columnMajor, place >= 0 {
        let (i, j, k) = (place / (height * width), place / width % height, place % width)
        place = i + depth * (j + height * k)
      }
      indices[output] = Int64(place < 0 ? -1 : plane * inputs + place)
    }
  }
}
