import GraphIR
import Testing

@testable import Operators

@Suite struct ResizeTests {
  private func resize(
    _ x: Tensor, scales: [Float]? = nil, sizes: [Int]? = nil, roi: [Float]? = nil, opset: Int = 19,
    threads: Int = 1, _ attributes: [String: Attribute]
  ) throws -> Tensor {
    try MovementCase("Resize", attributes, opset: opset, threads: threads)(
      x, roi.map { Tensor($0, shape: [$0.count]) }, scales.map { Tensor($0, shape: [$0.count]) },
      sizes.map { .ints($0) })
  }

  private func close(_ a: [Float], _ b: [Float]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) < 1e-5 }
  }

  /// Input positions that each coordinate transform and rounding picks when 4 become 6.
  @Test(arguments: [
    ("half_pixel", "round_prefer_floor", [0, 0, 1, 2, 2, 3] as [Float]),
    ("half_pixel", "floor", [0, 0, 1, 1, 2, 3]), ("half_pixel", "ceil", [0, 1, 2, 2, 3, 3]),
    ("asymmetric", "floor", [0, 0, 1, 2, 2, 3]), ("asymmetric", "round_prefer_ceil", [0, 1, 1, 2, 3, 3]),
    ("align_corners", "round_prefer_floor", [0, 1, 1, 2, 2, 3]),
    ("pytorch_half_pixel", "round_prefer_ceil", [0, 1, 1, 2, 3, 3]),
    ("half_pixel_symmetric", "floor", [0, 0, 1, 1, 2, 3]),
  ]) func nearest(coordinates: String, rounding: String, expected: [Float]) throws {
    let y = try resize(
      .counting([4]), sizes: [6],
      ["coordinate_transformation_mode": .string(coordinates), "nearest_mode": .string(rounding)])
    #expect(y.floats == expected)
  }

  @Test func doublesExactlyInEveryType() throws {
    let attributes: [String: Attribute] = [
      "coordinate_transformation_mode": .string("asymmetric"), "nearest_mode": .string("floor"),
    ]
    for dtype in [DType.float32, .float16, .uint8, .int64] {
      let x = Tensor.counting([1, 1, 2, 3]).converted(to: dtype)
      let y = try resize(x, scales: [1, 1, 2, 2], attributes)
      #expect(y.dtype == dtype)
      #expect(y.floats == [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 3, 3, 4, 4, 5, 5])
    }
    let x = Tensor.counting([2, 8, 40, 40])
    let one = try resize(x, scales: [1, 1, 2, 2], attributes)
    #expect(try one.isIdentical(to: resize(x, scales: [1, 1, 2, 2], threads: 2, attributes)))
    let list = one.floats
    let wrong = list.indices.filter { i in
      list[i] != Float((i / 6400) * 1600 + (i / 80 % 80) / 2 * 40 + i % 80 / 2)
    }
    #expect(wrong.isEmpty)
  }

  @Test func linear() throws {
    let x = Tensor([Float(1), 2, 3, 4], shape: [1, 1, 2, 2])
    let y = try resize(x, scales: [1, 1, 2, 2], ["mode": .string("linear")])
    let expected: [Float] = [1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4]
    #expect(close(y.floats, expected))
    let corners = try resize(
      x, scales: [1, 1, 2, 2],
      ["mode": .string("linear"), "coordinate_transformation_mode": .string("align_corners")])
    let thirds: [Float] = [1, 4 / 3, 5 / 3, 2]
    #expect(close(Array(corners.floats.prefix(4)), thirds))
    // A fractional extent counts as it is: 4 · 0.6 = 2.4 leaves 2 positions 3 / 1.4 apart.
    let shrunk = try resize(
      .counting([4]), scales: [0.6],
      ["mode": .string("linear"), "coordinate_transformation_mode": .string("align_corners")])
    #expect(close(shrunk.floats, [0, 3 / 1.4]))
    let half = try resize(x.converted(to: .float16), scales: [1, 1, 2, 2], ["mode": .string("linear")])
    #expect(half.dtype == .float16)
    #expect(close(half.floats, y.floats))
    let bytes = try resize(x.converted(to: .uint8), scales: [1, 1, 2, 2], ["mode": .string("linear")])
    #expect(bytes.array(of: UInt8.self).prefix(4) == [1, 1, 1, 2])
  }

  @Test func cubic() throws {
    // An impulse shows Keys' weights with a = −¾ at distances ¼, ¾, 1¼ and 1¾.
    let x = Tensor([Float(0), 0, 0, 1, 0, 0, 0, 0], shape: [8])
    let y = try resize(x, scales: [2], ["mode": .string("cubic")])
    let weights: [Float] = [-0.03515625, -0.10546875, 0.26171875, 0.87890625]
    #expect(close(Array(y.floats[3..<11]), weights + weights.reversed()))
    let sum = try resize(
      Tensor([Float](repeating: 3, count: 5), shape: [5]), scales: [2.5],
      ["mode": .string("cubic"), "exclude_outside": .int(1), "cubic_coeff_a": .float(-0.5)])
    #expect(close(sum.floats, [Float](repeating: 3, count: 12)))
  }

  @Test func antialias() throws {
    // Half the size: a triangle 4 wide, weights ⅛ ⅜ ⅜ ⅛, edges repeated.
    let y = try resize(.counting([4]), scales: [0.5], ["mode": .string("linear"), "antialias": .int(1)])
    #expect(close(y.floats, [0.625, 2.375]))
    let inside = try resize(
      .counting([4]), scales: [0.5],
      ["mode": .string("linear"), "antialias": .int(1), "exclude_outside": .int(1)])
    let first: Float = (0.375 + 0.25) / 0.875
    let expected: [Float] = [first, 3 - first]
    #expect(close(inside.floats, expected))
    #expect(throws: DataError("node 'n' (Resize): antialias does not go with mode nearest")) {
      try resize(.counting([4]), scales: [0.5], ["antialias": .int(1)])
    }
  }

  @Test func crop() throws {
    let attributes: [String: Attribute] = [
      "mode": .string("linear"), "coordinate_transformation_mode": .string("tf_crop_and_resize"),
      "extrapolation_value": .float(-1),
    ]
    #expect(try close(resize(.counting([5]), sizes: [3], roi: [0.25, 0.75], attributes).floats, [1, 2, 3]))
    #expect(try close(resize(.counting([5]), sizes: [3], roi: [0.5, 1.5], attributes).floats, [2, 4, -1]))
    #expect(try resize(.counting([5]), sizes: [1], roi: [0.25, 0.75], attributes).floats == [2])
    var nearest = attributes
    nearest["mode"] = .string("nearest")
    #expect(try resize(.counting([5], .int32), sizes: [3], roi: [0.5, 1.5], nearest).floats == [2, 4, -1])
    #expect(throws: DataError("roi has 1 numbers, 2 are needed")) {
      try resize(.counting([5]), sizes: [3], roi: [1], attributes)
    }
    #expect(throws: DataError.self) { try resize(.counting([5]), sizes: [3], roi: [.nan, 1], attributes) }
  }

  @Test func axesAndAspect() throws {
    let x = Tensor.counting([1, 2, 4])
    #expect(try resize(x, scales: [0.5, 2], ["axes": .ints([2, 1])]).shape == [1, 4, 2])
    for (policy, shape) in [
      ("stretch", [1, 7, 8]), ("not_larger", [1, 4, 8]), ("not_smaller", [1, 7, 14]),
    ] {
      let y = try resize(
        x, sizes: [7, 8], ["axes": .ints([1, 2]), "keep_aspect_ratio_policy": .string(policy)])
      #expect(y.shape == shape)
    }
  }

  @Test func oldForms() throws {
    let x = Tensor.counting([4])
    let half = Tensor([Float(0.6)], shape: [1])
    #expect(try MovementCase("Resize", opset: 10)(x, half).floats == [0, 2])
    #expect(
      try MovementCase("Upsample", opset: 9)(x, Tensor([Float(1.5)], shape: [1])).floats == [
        0, 0, 1, 2, 2, 3,
      ])
    let oldest = MovementCase("Upsample", ["scales": .floats([2]), "mode": .string("linear")], opset: 7)
    #expect(try oldest(x).floats == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3])
    let tensorflow: [String: Attribute] = [
      "coordinate_transformation_mode": .string("tf_half_pixel_for_nn"), "nearest_mode": .string("floor"),
    ]
    #expect(try resize(x, scales: [0.5], opset: 11, tensorflow).floats == [1, 3])
    // An empty list is an absent one.
    #expect(try resize(x, scales: [], sizes: [2], roi: [], opset: 11, [:]).shape == [2])
  }

  @Test func infers() throws {
    let types: [TensorType?] = [TensorType(.float32, ["n", 4, "h", "w"]), nil, TensorType(.float32, [4])]
    let scales = Tensor([Float(1), 1, 2, 2], shape: [4])
    #expect(
      try MovementCase("Resize").infer(types, constants: [nil, nil, scales])[0].shape
        == ["n", 4, .unknown, .unknown])
    #expect(throws: DataError("neither scales nor sizes are given")) {
      try MovementCase("Resize")(.counting([2]))
    }
    #expect(throws: DataError("node 'n' (Resize): coordinate_transformation_mode 'middle' is not supported"))
    {
      try resize(.counting([2]), sizes: [3], ["coordinate_transformation_mode": .string("middle")])
    }
    // 0.7 in float32 is less than 0.7.
    #expect(try resize(.counting([10]), scales: [0.7], [:]).shape == [7])
  }

  /// The separable passes against a plain sum over all taps of all axes.
  @Test(arguments: ["linear", "cubic"]) func passesMatchPlainTwin(mode: String) throws {
    for (shape, sizes) in [([3, 5, 7], [3, 8, 4]), ([2, 40, 60], [2, 70, 33]), ([1, 6, 1], [2, 3, 5])] {
      let x = Tensor((0..<Shape.count(shape)).map { Float($0 * 7919 % 101) }, shape: shape)
      let y = try resize(x, sizes: sizes, ["mode": .string(mode)])
      #expect(try y.isIdentical(to: resize(x, sizes: sizes, threads: 2, ["mode": .string(mode)])))
      let method = ResizeMethod(mode: mode == "cubic" ? .cubic : .linear, coordinates: .halfPixel)
      let taps = zip(shape, sizes).map {
        ResizeAxis(method: method, input: $0, output: $1, scale: Double($1) / Double($0)).taps()
      }
      let strides = Shape.strides(sizes)
      let values = x.floats
      let from = Shape.strides(shape)
      var worst = 0.0
      for (position, value) in y.floats.enumerated() {
        let at = sizes.indices.map { position / strides[$0] % sizes[$0] }
        var sum = 0.0
        for a in 0..<taps[0].width {
          for b in 0..<taps[1].width {
            for c in 0..<taps[2].width {
              let t = [a, b, c].enumerated().map { at[$0] * taps[$0].width + $1 }
              let weight = taps[0].weights[t[0]] * taps[1].weights[t[1]] * taps[2].weights[t[2]]
              let source = (0..<3).reduce(0) { $0 + taps[$1].positions[t[$1]] * from[$1] }
              sum += weight * Double(values[source])
            }
          }
        }
        worst = max(worst, abs(sum - Double(value)))
      }
      #expect(worst < 1e-4)
    }
  }
}
