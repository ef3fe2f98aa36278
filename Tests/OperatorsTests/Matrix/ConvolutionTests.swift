import GraphIR
import Testing

@testable import Operators

/// Conv and ConvTranspose against their definitions in float64.
@Suite struct ConvolutionTests {
  /// A convolution of one to three axes, drawn at random.
  private struct Case {
    var x: Tensor
    var w: Tensor
    var bias: Tensor?
    var group: Int
    var strides: [Int]
    var dilations: [Int]
    /// Begins, then ends.
    var pads: [Int]

    var attributes: [String: Attribute] {
      [
        "strides": .ints(strides), "dilations": .ints(dilations), "pads": .ints(pads),
        "group": .int(group),
      ]
    }

    init(_ numbers: inout MatrixNumbers, _ dtype: DType, transposed: Bool) {
      let rank = 1 + numbers.below(3)
      group = numbers.pick([1, 1, 2, 3])
      let (part, out) = (numbers.pick([1, 3, 5]), numbers.pick([1, 2, 34]))
      let spatial = (0..<rank).map { _ in numbers.pick(rank == 3 ? [3, 4, 6] : [5, 7, 12]) }
      let kernel = (0..<rank).map { _ in numbers.pick([1, 2, 3]) }
      strides = (0..<rank).map { _ in numbers.pick([1, 1, 2, 3]) }
      dilations = (0..<rank).map { _ in numbers.pick([1, 1, 2]) }
      pads = (0..<2 * rank).map { _ in numbers.below(transposed ? 1 : 3) }
      for axis in 0..<rank where spatial[axis] < (kernel[axis] - 1) * dilations[axis] + 1 {
        pads[axis] += 2
      }
      x = numbers.tensor(dtype, [numbers.pick([1, 2, 5]), group * part] + spatial)
      w = numbers.tensor(
        dtype, (transposed ? [group * part, out] : [group * out, part]) + kernel)
      bias = numbers.below(2) == 0 ? numbers.tensor(dtype, [group * out]) : nil
    }
  }

  /// Every position of a grid.
  private func positions(_ shape: [Int]) -> [[Int]] {
    shape.reduce([[]]) { found, extent in found.flatMap { head in (0..<extent).map { head + [$0] } } }
  }

  private func offset(_ position: [Int], _ shape: [Int]) -> Int {
    zip(position, shape).reduce(0) { $0 * $1.1 + $1.0 }
  }

  /// Calls `body` with the offsets of every output, input and weight element that belong together in a convolution;
  /// for the transpose the first two change places.
  private func pairs(
    _ c: Case, input: [Int], output: [Int], _ body: (_ out: Int, _ input: Int, _ tap: Int) -> Void
  ) {
    let kernel = Array(c.w.shape.dropFirst(2))
    let taps = positions(kernel)
    for out in positions(output) {
      for tap in taps {
        let place = out.indices.map { out[$0] * c.strides[$0] + tap[$0] * c.dilations[$0] - c.pads[$0] }
        if zip(place, input).allSatisfy({ $0 >= 0 && $0 < $1 }) {
          body(offset(out, output), offset(place, input), offset(tap, kernel))
        }
      }
    }
  }

  private func plainConv(_ c: Case, _ output: [Int]) -> [Double] {
    let (x, w, spatial) = (c.x.doubles, c.w.doubles, Array(c.x.shape.dropFirst(2)))
    let (channels, part) = (c.w.shape[0], c.w.shape[1])
    let taps = Shape.count(Array(c.w.shape.dropFirst(2)))
    let (inside, outside) = (Shape.count(spatial), Shape.count(output))
    var y = (0..<c.x.shape[0] * channels * outside).map { c.bias?.doubles[$0 / outside % channels] ?? 0 }
    pairs(c, input: spatial, output: output) { out, place, tap in
      for n in 0..<c.x.shape[0] {
        for o in 0..<channels {
          for i in 0..<part {
            let channel = o / (channels / c.group) * part + i
            y[(n * channels + o) * outside + out] +=
              x[(n * c.x.shape[1] + channel) * inside + place]
              * w[(o * part + i) * taps + tap]
          }
        }
      }
    }
    return y
  }

  private func plainTranspose(_ c: Case, _ output: [Int]) -> [Double] {
    let (x, w, spatial) = (c.x.doubles, c.w.doubles, Array(c.x.shape.dropFirst(2)))
    let (channels, part) = (c.x.shape[1], c.w.shape[1])
    let taps = Shape.count(Array(c.w.shape.dropFirst(2)))
    let (inside, outside, all) = (Shape.count(spatial), Shape.count(output), part * c.group)
    var y = (0..<c.x.shape[0] * all * outside).map { c.bias?.doubles[$0 / outside % all] ?? 0 }
    pairs(c, input: output, output: spatial) { from, place, tap in
      for n in 0..<c.x.shape[0] {
        for channel in 0..<channels {
          for o in 0..<part {
            let absolute = channel / (channels / c.group) * part + o
            y[(n * all + absolute) * outside + place] +=
              x[(n * channels + channel) * inside + from]
              * w[(channel * part + o) * taps + tap]
          }
        }
      }
    }
    return y
  }

  @Test(arguments: [DType.float32, .float64])
  func conv(_ dtype: DType) throws {
    var numbers = MatrixNumbers(5)
    for _ in 0..<60 {
      let c = Case(&numbers, dtype, transposed: false)
      let y = try runOnBoth("Conv", [c.x, c.w, c.bias], c.attributes)[0]!
      #expect(y.error(from: plainConv(c, Array(y.shape.dropFirst(2)))) < dtype.tolerance)
    }
  }

  @Test(arguments: [DType.float32, .float64])
  func convTranspose(_ dtype: DType) throws {
    var numbers = MatrixNumbers(6)
    for _ in 0..<60 {
      let c = Case(&numbers, dtype, transposed: true)
      let y = try runOnBoth("ConvTranspose", [c.x, c.w, c.bias], c.attributes)[0]!
      #expect(y.error(from: plainTranspose(c, Array(y.shape.dropFirst(2)))) < dtype.tolerance)
    }
  }

  /// Convolutions that are large enough for panels: strides, dilations, pads on one side, groups, one and three axes.
  @Test func panels() throws {
    var numbers = MatrixNumbers(11)
    for (x, w, group, strides, dilations, pads) in [
      ([1, 20, 33, 31], [30, 20, 3, 3], 1, [2, 2], [1, 1], [0, 0, 1, 1]),
      ([2, 9, 30, 40], [40, 9, 3, 3], 1, [1, 1], [2, 1], [2, 1, 2, 1]),
      ([1, 40, 40, 30], [60, 20, 3, 2], 2, [1, 2], [1, 1], [1, 0, 1, 1]),
      ([1, 33, 900], [40, 33, 5], 1, [1], [3], [6, 6]),
      ([1, 7, 9, 12, 11], [16, 7, 3, 3, 3], 1, [1, 1, 1], [1, 1, 1], [1, 1, 1, 1, 1, 1]),
      ([1, 3, 64, 64], [32, 3, 3, 3], 1, [1, 1], [1, 1], [1, 1, 1, 1]),
    ] as [([Int], [Int], Int, [Int], [Int], [Int])] {
      var c = Case(&numbers, .float32, transposed: false)
      (c.x, c.w) = (numbers.tensor(.float32, x), numbers.tensor(.float32, w))
      c.bias = numbers.tensor(.float32, [w[0]])
      (c.group, c.strides, c.dilations, c.pads) = (group, strides, dilations, pads)
      let y = try runOnBoth("Conv", [c.x, c.w, c.bias], c.attributes)[0]!
      let expected = plainConv(c, Array(y.shape.dropFirst(2)))
      #expect(y.error(from: expected) < DType.float32.tolerance)
      // In bfloat16, as far as its factors tell.
      let node = Node(
        "Conv", name: "n", inputs: ["x", "w", "b"], outputs: ["y"], attributes: c.attributes,
        metadata: [ProductPrecision.metadataKey: "bfloat16"])
      let rounded = try OperatorSet.standard.bind(node, opset: 22)
        .runAllocating([c.x, c.w, c.bias], outputCount: 1, pool: ThreadPool(threads: 2))[0]!
      let error = rounded.error(from: expected)
      #expect(error < 2e-2)
      #expect(error > 1e-5 || PanelKernels.best(.bfloat16) == nil)
    }
  }

  /// Several tiles of positions, parts of output channels, steps of input channels, images side by side.
  @Test(arguments: [
    ([1, 8, 37, 41], [40, 8, 3, 3]), ([1, 700, 9, 9], [70, 700, 3, 3]), ([5, 160, 8, 8], [33, 160, 3, 3]),
    ([2, 33, 20, 20], [64, 33, 1, 1]),
  ])
  func tiledConv(_ x: [Int], _ w: [Int]) throws {
    var numbers = MatrixNumbers(7)
    var c = Case(&numbers, .float32, transposed: false)
    let side = w[3] / 2
    c.x = numbers.tensor(x)
    c.w = numbers.tensor(w)
    c.bias = numbers.tensor([w[0]])
    (c.group, c.strides, c.dilations) = (1, [1, 1], [1, 1])
    c.pads = [side, side, side, side]
    let y = try runOnBoth("Conv", [c.x, c.w, c.bias], c.attributes)[0]!
    #expect(y.shape == [x[0], w[0], x[2], x[3]])
    #expect(y.error(from: plainConv(c, Array(x[2...]))) < 3e-6)
  }

  @Test func autoPadSplitsTheRest() throws {
    let x = Tensor([1, 2, 3, 4] as [Float], shape: [1, 1, 4])
    let w = Tensor([1, 10] as [Float], shape: [1, 1, 2])
    func run(_ mode: String, _ stride: Int = 1) throws -> [Double] {
      try runOnBoth("Conv", [x, w], ["auto_pad": .string(mode), "strides": .ints([stride])])[0]!.doubles
    }
    #expect(try run("SAME_UPPER") == [21, 32, 43, 4])
    #expect(try run("SAME_LOWER") == [10, 21, 32, 43])
    #expect(try run("VALID") == [21, 32, 43])
    #expect(try run("SAME_UPPER", 2) == [21, 43])
  }

  @Test func transposeOutputShape() throws {
    let x = Tensor([1, 2] as [Float], shape: [1, 1, 2])
    let w = Tensor([1, 10, 100] as [Float], shape: [1, 1, 3])
    func run(_ attributes: [String: Attribute]) throws -> [Double] {
      try runOnBoth(
        "ConvTranspose", [x, w], attributes.merging(["strides": .ints([2])]) { $1 })[0]!.doubles
    }
    #expect(try run([:]) == [1, 10, 102, 20, 200])
    #expect(try run(["output_padding": .ints([1])]) == [1, 10, 102, 20, 200, 0])
    #expect(try run(["output_shape": .ints([4])]) == [10, 102, 20, 200])
    #expect(try run(["output_shape": .ints([4]), "auto_pad": .string("SAME_UPPER")]) == [1, 10, 102, 20])
    #expect(try run(["output_shape": .ints([6])]) == [1, 10, 102, 20, 200, 0])
    #expect(try run(["pads": .ints([1, 1])]) == [10, 102, 20])
  }

  @Test func halfPrecisionIsWidened() throws {
    var numbers = MatrixNumbers(8)
    let (x, w) = (numbers.tensor(.float16, [1, 4, 6, 6]), numbers.tensor(.float16, [4, 4, 3, 3]))
    let half = try runOnBoth("Conv", [x, w])[0]!
    let full = try runOnBoth("Conv", [x.converted(to: .float32), w.converted(to: .float32)])[0]!
    #expect(half.isIdentical(to: full.converted(to: .float16)))
  }

  @Test func withoutInputChannelsOnlyTheBiasIsLeft() throws {
    let bias = Tensor([1, 2] as [Float], shape: [2])
    for kernel in [1, 2] {
      let (x, w) = (Tensor(.float32, [1, 0, 3]), Tensor(.float32, [2, 0, kernel]))
      let y = try runOnBoth("Conv", [x, w, bias])[0]!
      #expect(y.doubles == (kernel == 1 ? [1, 1, 1, 2, 2, 2] : [1, 1, 2, 2]))
    }
    let (x, w) = (Tensor(.float32, [1, 0, 2]), Tensor(.float32, [0, 2, 1]))
    #expect(try runOnBoth("ConvTranspose", [x, w, bias])[0]!.doubles == [1, 1, 2, 2])
  }

  @Test func errorsNameTheSizes() {
    func tensor(_ shape: Int...) -> Tensor { Tensor.zeros(.float32, shape) }
    func run(_ x: Tensor, _ w: Tensor, _ attributes: [String: Attribute] = [:]) -> String {
      message { _ = try MatrixRun.outputs("Conv", [x, w], attributes) }
    }
    #expect(run(tensor(1, 3, 8, 8), tensor(4, 2, 3, 3)).contains("3 input channels differ from 2 × 1"))
    #expect(run(tensor(1, 3, 2, 2), tensor(4, 3, 3, 3)).contains("does not fit 2 + 0"))
    #expect(run(tensor(1, 3, 8, 8), tensor(4, 3, 3)).contains("rank"))
    #expect(run(tensor(1, 3, 8), tensor(4, 3, 3), ["strides": .ints([0])]).contains("out of range"))
    #expect(run(tensor(1, 3, 8), tensor(4, 3, 3), ["strides": .ints([1, 1])]).contains("'strides'"))
    #expect(run(tensor(1, 3, 8), tensor(4, 3, 3), ["auto_pad": .string("SAME")]).contains("auto_pad"))
    #expect(run(tensor(1, 3, 8), tensor(4, 3, 3), ["kernel_shape": .ints([5])]).contains("kernel_shape"))
    #expect(
      message { _ = try MatrixRun.outputs("ConvTranspose", [tensor(1, 3, 8), tensor(4, 3, 3)]) }
        .contains("input channels 3 and 4 differ"))
  }

  @Test func unknownExtentsStayUnknown() throws {
    let conv = try Conv(Attributes(["pads": .ints([1, 1, 1, 1])], opset: 22))
    let w = TensorType(.float32, [8, 4, 3, 3])
    let inferred = try conv.infer(InferenceInputs([TensorType(.float32, ["n", 4, 16, "w"]), w]))
    #expect(inferred[0].shape == ["n", 8, 16, .unknown])
    let types = [TensorType(.float32, [1, 4, 16, 16]), w]
    #expect(conv.multiplyAdds(types, try conv.infer(InferenceInputs(types))) == 8 * 16 * 16 * 4 * 9)
  }
}
