import GraphIR
import TestSupport
import Testing

struct ResizeCase: Sendable, CustomStringConvertible {
  let scales: [Float]
  let attributes: [String: Attribute]
  var description: String { "\(scales) \(attributes.values.map { "\($0)" }.sorted())" }
}

let resizeCases: [ResizeCase] = [
  .init(
    scales: [1, 1, 2, 2],
    attributes: [
      "mode": .string("nearest"), "nearest_mode": .string("floor"),
      "coordinate_transformation_mode": .string("asymmetric"),
    ]),
  .init(scales: [1, 1, 1.5, 0.5], attributes: ["mode": .string("nearest")]),
  .init(scales: [1, 1, 2, 1.5], attributes: ["mode": .string("linear")]),
  .init(scales: [1, 1, 0.5, 2], attributes: ["mode": .string("linear"), "antialias": .int(1)]),
  .init(scales: [1, 1, 2, 3], attributes: ["mode": .string("cubic")]),
]

@Suite("Gradients of operators that move elements agree with central differences")
struct MovementGradientTests {
  private func check(
    _ shape: [Int] = [3, 4, 5], opset: Int = 23, _ build: (GraphBuilder, Value) throws -> [Value]
  ) throws -> Double {
    let x = GradientHarness.random(shape, seed: 1)
    // A function that is not linear before it, so that values matter.
    return try GradientHarness(inputs: ["x": x], wrt: ["x"], opset: opset) { g in
      try build(g, g.Sin(Value("x")))
    }.worst
  }

  @Test("of views and permutations")
  func views() throws {
    let worst = try check { g, x in
      let flat = g.Reshape(x, g.ints([12, 5]))
      let wide = g.Unsqueeze(flat, g.ints([0]))
      return [
        g.Transpose(x, attributes: ["perm": .ints([2, 0, 1])]), g.Transpose(flat),
        g.Squeeze(g.Mul(wide, wide), g.ints([0])), g.Flatten(x, attributes: ["axis": .int(2)]),
      ]
    }
    #expect(worst < 1e-5)
  }

  @Test("of slices, with steps forward and backward")
  func slices() throws {
    let cases: [(starts: [Int], ends: [Int], axes: [Int], steps: [Int])] = [
      ([1], [3], [1], [1]), ([0, 1], [3, 5], [0, 2], [2, 3]), ([-1], [-10], [2], [-1]), ([4], [0], [2], [-2]),
      ([3], [3], [1], [1]), ([1, -2], [100, -5], [1, 2], [2, -1]), ([2], [-100], [2], [-3]),
    ]
    for slice in cases {
      let worst = try check { g, x in
        [
          g.Slice(
            x, g.ints(slice.starts), g.ints(slice.ends), g.ints(slice.axes), g.ints(slice.steps)), x,
        ]
      }
      #expect(worst < 1e-5, "\(slice)")
    }
  }

  @Test("of Concat and Split, some parts unused")
  func parts() throws {
    let worst = try check { g, x in
      let parts = g.emit("Split", [x, g.ints([1, 3, 1])], ["axis": .int(2)], outputs: 3)
      return [
        g.Concat(parts[2], g.Mul(parts[0], parts[0]), attributes: ["axis": .int(-1)]),
        g.Concat(
          x, g.constant(GradientHarness.random([3, 1, 5], seed: 3)), x, attributes: ["axis": .int(1)]),
      ]
    }
    #expect(worst < 1e-5)
  }

  @Test("of Expand, Tile, Pad and Trilu")
  func repeats() throws {
    let worst = try check([3, 1, 4]) { g, x in
      [
        g.Expand(x, g.ints([2, 3, 5, 4])), g.Tile(x, g.ints([2, 3, 1])),
        g.Pad(x, g.ints([1, 0, 0, 0, 2, -1])),
        g.Trilu(g.Transpose(x, attributes: ["perm": .ints([1, 0, 2])])),
        g.CumSum(x, g.constant(Tensor([Int64(2)], shape: [])), attributes: ["reverse": .int(1)]),
      ]
    }
    #expect(worst < 1e-5)
  }

  @Test("of gathers, with indices that repeat")
  func gathers() throws {
    let worst = try check { g, x in
      let rows = g.constant(Tensor([Int64(2), 0, 2, -1], shape: [2, 2]))
      let elements = g.constant(Tensor([Int64(1), 1, 0, 3, 2, 2], shape: [1, 2, 3]))
      let tuples = g.constant(Tensor([Int64(0), 1, 2, 3, 0, 1], shape: [3, 2]))
      return [
        g.Gather(x, rows, attributes: ["axis": .int(1)]), g.Gather(x, rows),
        g.GatherElements(x, elements, attributes: ["axis": .int(1)]), g.GatherND(x, tuples),
        g.GatherND(
          x, g.constant(Tensor([Int64(1), 0, -1], shape: [3, 1])), attributes: ["batch_dims": .int(1)]),
        g.emit("TopK", [x, g.ints([2])], ["axis": .int(1)], outputs: 2)[0],
      ]
    }
    #expect(worst < 1e-5)
  }

  @Test("of scatters, with respect to both", arguments: ["none", "add"])
  func scatters(_ reduction: String) throws {
    let inputs = [
      "x": GradientHarness.random([4, 3], seed: 1), "u": GradientHarness.random([2, 3], seed: 2),
    ]
    let check = try GradientHarness(inputs: inputs, wrt: ["x", "u"]) { g in
      let elements = g.constant(Tensor([Int64(1), 0, 3, 2, 1, 0], shape: [2, 3]))
      let tuples = g.constant(Tensor([Int64(3), 1], shape: [2, 1]))
      return [
        g.ScatterElements(Value("x"), elements, Value("u"), attributes: ["reduction": .string(reduction)]),
        g.ScatterND(Value("x"), tuples, Value("u"), attributes: ["reduction": .string(reduction)]),
      ]
    }
    #expect(check.worst < 1e-5, "\(check.errors)")
  }

  @Test("of DepthToSpace and GlobalAveragePool")
  func blocks() throws {
    let worst = try check([2, 8, 2, 3]) { g, x in
      [
        g.DepthToSpace(x, attributes: ["blocksize": .int(2)]),
        g.DepthToSpace(x, attributes: ["blocksize": .int(2), "mode": .string("CRD")]), g.GlobalAveragePool(x),
      ]
    }
    #expect(worst < 1e-5)
  }

  @Test("of Resize", arguments: resizeCases)
  func resize(_ scale: ResizeCase) throws {
    let worst = try check([2, 3, 4, 6]) { g, x in
      [g.Resize(x, nil, g.constant(Tensor(scale.scales, shape: [4])), attributes: scale.attributes)]
    }
    #expect(worst < 1e-5)
  }
}
