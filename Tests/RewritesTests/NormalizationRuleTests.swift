import GraphIR
import Operators
import Rewrites
import TestSupport
import Testing

/// Normalisations written out in primitives.
@Suite struct NormalizationRuleTests {
  // MARK: GroupNormalization

  private struct Groups: Sendable {
    var x = [2, 6, 4, 5]
    var groups = [0, 3, -1]
    var scale: [Int]?
    var ones: Float = 1
    var zeros: Float = 0
    var back: [Int]?
    var fromNodes = false
    var dtype = DType.float32
    var swaps = false
  }

  private func build(_ form: Groups, opset: Int = 14) -> (Graph, [String: Tensor]) {
    let g = GraphBuilder(Graph(opsets: ["": opset]))
    var random = Seeded(7)
    func weight(_ tensor: Tensor) -> Value {
      let tensor = tensor.converted(to: form.dtype)
      return form.fromNodes ? g.emit("Constant", [], ["value": .tensor(tensor)])[0] : g.constant(tensor)
    }
    let x = g.input("x", form.dtype, form.x.map { .known($0) })
    let count = form.groups[1]
    let parted = g.Reshape(x, g.ints(form.groups))
    let norm = g.InstanceNormalization(
      parted, weight(Tensor([Float](repeating: form.ones, count: count), shape: [count])),
      weight(Tensor([Float](repeating: form.zeros, count: count), shape: [count])),
      attributes: ["epsilon": .float(1e-3)])
    let back = form.back.map { g.ints($0) } ?? g.Shape(x)
    let affine = form.scale ?? [form.x[1]] + form.x.dropFirst(2).map { _ in 1 }
    let (scale, bias) = (weight(random.tensor(affine)), weight(random.tensor(affine)))
    let restored = g.Reshape(norm, back)
    let scaled = form.swaps ? g.Mul(scale, restored) : g.Mul(restored, scale)
    g.output(form.swaps ? g.Add(bias, scaled) : g.Add(scaled, bias), as: "y", nil)
    return (g.graph, ["x": random.tensor(form.x).converted(to: form.dtype)])
  }

  @Test(arguments: [[2, 6, 4, 5], [1, 6, 7], [2, 3, 2, 2, 2]]) func groupNormalization(_ shape: [Int]) throws
  {
    for (swaps, nodes) in [(false, false), (true, true)] {
      for scale in [nil, [1, shape[1]] + shape.dropFirst(2).map { _ in 1 }] {
        let (graph, inputs) = build(Groups(x: shape, scale: scale, fromNodes: nodes, swaps: swaps))
        let harness = try RuleHarness(graph, .recognition, inputs)
        let found = harness.after.nodes.filter { $0.op == "GroupNormalization" }
        #expect(found.count == 1 && harness.count("InstanceNormalization") == 0, "\(harness.trace)")
        #expect(found.first?.attributes["num_groups"] == .int(3))
        #expect(found.first?.attributes["epsilon"] == .float(1e-3))
        #expect(try harness.difference(inputs) < 2e-6)
      }
    }
  }

  @Test func groupNormalizationInHalf() throws {
    let (graph, inputs) = build(Groups(dtype: .float16))
    let harness = try RuleHarness(graph, .recognition, inputs)
    #expect(harness.count("GroupNormalization") == 1)
    #expect(try harness.difference(inputs) < 3e-3)
  }

  @Test func groupNormalizationDeclines() throws {
    let cases: [(Groups, String)] = [
      (Groups(ones: 2), "InstanceNormalization scales by itself"),
      (Groups(zeros: 1), "InstanceNormalization shifts by itself"),
      (Groups(scale: [5]), "scale is not one number for each channel"),
      (Groups(scale: [6, 4, 1]), "scale is not one number for each channel"),
      (Groups(scale: []), "scale is not one number for each channel"),
      (Groups(groups: [-1, 4, 5]), "[2, 6, 4, 5] is not parted into groups of channels by [12, 4, 5]"),
      (Groups(scale: [3, 1, 1], back: [4, 3, 4, 5]), "the result has another shape than x"),
    ]
    for (form, reason) in cases {
      let (graph, inputs) = build(form)
      let harness = try RuleHarness(graph, .recognition, inputs)
      #expect(harness.count("GroupNormalization") == 0, "\(reason)")
      #expect(
        harness.trace.contains { $0.hasPrefix("group-normalization") && $0.hasSuffix(reason) },
        "\(harness.trace)")
      #expect(try harness.difference(inputs) < 2e-6)
    }
  }

  // MARK: LayerNormalization and RMSNormalization

  private enum Root: CaseIterable { case divided, reciprocal, quotient }

  private struct Rows: Sendable {
    var root = Root.divided
    var squares = false
    var axes = [-1]
    var varianceAxes: [Int]?
    var axesInput = false
    var keepsAxes = true
    var centered = true
    var scale: [Int]? = [6]
    var bias: [Int]? = [6]
    var power: Float = 2
    var narrows = false
  }

  private func build(_ form: Rows) -> (Graph, [String: Tensor]) {
    let g = GraphBuilder(Graph(opsets: ["": form.axesInput ? 18 : 14]))
    var random = Seeded(9)
    var x = g.input("x", form.narrows ? .float16 : .float32, [2, 5, 6])
    func mean(_ value: Value, _ axes: [Int]) -> Value {
      let keeps: [String: Attribute] = ["keepdims": .int(form.keepsAxes ? 1 : 0)]
      return form.axesInput
        ? g.ReduceMean(value, g.ints(axes), attributes: keeps)
        : g.ReduceMean(value, attributes: keeps.merging(["axes": .ints(axes)]) { $1 })
    }
    if form.narrows { x = g.Cast(x, attributes: ["to": .int(1)]) }
    let d = form.centered ? g.Sub(x, mean(x, form.axes)) : x
    let square = form.squares ? g.Mul(d, d) : g.Pow(d, g.scalar(form.power))
    let root = g.Sqrt(g.Add(mean(square, form.varianceAxes ?? form.axes), g.scalar(1e-4)))
    var y: Value
    switch form.root {
    case .divided: y = g.Div(d, root)
    case .reciprocal: y = g.Mul(d, g.Reciprocal(root))
    case .quotient: y = g.Mul(g.Div(g.scalar(1), root), d)
    }
    let dtype: DType = form.narrows ? .float16 : .float32
    if form.narrows { y = g.Cast(y, attributes: ["to": .int(10)]) }
    if let shape = form.scale { y = g.Mul(g.constant(random.tensor(shape).converted(to: dtype)), y) }
    if let shape = form.bias { y = g.Add(y, g.constant(random.tensor(shape).converted(to: dtype))) }
    g.output(y, as: "y", nil)
    return (g.graph, ["x": random.tensor([2, 5, 6]).converted(to: dtype)])
  }

  @Test func layerNormalization() throws {
    for root in Root.allCases {
      for (squares, axesInput) in [(true, false), (false, true), (false, false)] {
        for (axes, affine) in [([-1], [6]), ([2], [1, 6]), ([1, 2], [5, 6]), ([-1], [1, 1, 6])] {
          for (scale, bias) in [(affine, affine), (affine, nil), (nil, nil)] as [([Int]?, [Int]?)] {
            let (graph, inputs) = build(
              Rows(root: root, squares: squares, axes: axes, axesInput: axesInput, scale: scale, bias: bias))
            let harness = try RuleHarness(graph, .recognition, inputs)
            let label =
              "\(root) \(squares) \(axes) \(affine) \(scale as Any) \(bias as Any): \(harness.trace)"
            #expect(harness.count("LayerNormalization") == 1, "\(label)")
            #expect(harness.count("ReduceMean") == 0, "\(label)")
            #expect(harness.count("Add") == 0 && harness.count("Mul") == 0, "\(label)")
            #expect(try harness.difference(inputs) < 2e-6, "\(label)")
          }
        }
      }
    }
  }

  @Test func layerNormalizationDeclines() throws {
    let cases: [(Rows, String)] = [
      (Rows(axes: [1]), "mean is not along the last axes"),
      (Rows(axes: [0, 2]), "mean is not along the last axes"),
      (Rows(varianceAxes: [1, 2]), "mean and variance are along different axes"),
      (Rows(power: 3), "two is 3.0, not 2.0"),
    ]
    for (form, reason) in cases {
      let (graph, inputs) = build(form)
      let harness = try RuleHarness(graph, .recognition, inputs)
      #expect(harness.count("LayerNormalization") == 0, "\(reason)")
      #expect(harness.trace.contains { $0.hasSuffix(reason) }, "\(harness.trace)")
      #expect(try harness.difference(inputs) < 2e-6)
    }
  }

  /// What is no bias is added afterwards, what is no scale multiplied.
  @Test func otherScalesAndShifts() throws {
    for (scale, bias, left) in [
      ([6], [5, 6], ["Add"]), ([6], [], ["Add"]), ([5, 6], [6], ["Mul", "Add"]), ([], nil, ["Mul"]),
    ] as [([Int]?, [Int]?, [String])] {
      let (graph, inputs) = build(Rows(scale: scale, bias: bias))
      let harness = try RuleHarness(graph, .recognition, inputs)
      #expect(harness.count("LayerNormalization") == 1)
      for op in left { #expect(harness.count(op) == 1) }
      #expect(try harness.difference(inputs) < 2e-6)
    }
  }

  @Test func rmsNormalization() throws {
    for root in Root.allCases {
      for (squares, narrows) in [(true, false), (false, false), (false, true)] {
        let (graph, inputs) = build(
          Rows(root: root, squares: squares, centered: false, bias: nil, narrows: narrows))
        let harness = try RuleHarness(graph, .recognition, inputs)
        #expect(harness.count("RMSNormalization") == 1, "\(harness.trace)")
        #expect(harness.count("ReduceMean") == 0)
        #expect(try harness.difference(inputs) < (narrows ? 2e-3 : 2e-6))
      }
    }
    let (graph, inputs) = build(Rows(axes: [1], centered: false, bias: nil))
    let harness = try RuleHarness(graph, .recognition, inputs)
    #expect(harness.count("RMSNormalization") == 0)
    #expect(harness.trace.contains { $0.hasSuffix("variance is not along the last axes") })
    #expect(try harness.difference(inputs) < 2e-6)
  }

  /// Half-precision rows whose variance is computed in a wider type.
  @Test func layerNormalizationOfCasts() throws {
    let g = GraphBuilder(Graph(opsets: ["": 14]))
    var random = Seeded(10)
    let x = g.input("x", .float16, [3, 8])
    let axes: [String: Attribute] = ["axes": .ints([-1])]
    let d = g.Cast(g.Sub(x, g.ReduceMean(x, attributes: axes)), attributes: ["to": .int(11)])
    func number(_ value: Double) -> Value { g.constant(Tensor(scalar: value)) }
    let root = g.Sqrt(g.Add(g.ReduceMean(g.Pow(d, number(2)), attributes: axes), number(1e-5)))
    func row() -> Value { g.constant(random.tensor([8]).converted(to: .float16)) }
    let y = g.Cast(g.Div(d, root), attributes: ["to": .int(10)])
    g.output(g.Add(g.Mul(y, row()), row()), as: "y", nil)
    let inputs = ["x": random.tensor([3, 8]).converted(to: .float16)]
    let harness = try RuleHarness(g.graph, .recognition, inputs)
    #expect(harness.after.nodes.map(\.op) == ["LayerNormalization", "Identity"], "\(harness.trace)")
    #expect(try harness.difference(inputs) < 3e-3)
  }

  /// Mean and difference that something alters, or uses as well, stay in the graph.
  @Test func alteredAndSharedValues() throws {
    let (graph, inputs) = build(Rows())
    for op in ["Sub", "ReduceMean", "Sqrt", "Div"] {
      let value = graph.nodes.first { $0.op == op }!.outputs[0]
      let harness = try RuleHarness(graph, .recognition, inputs, altered: [value])
      // The normalised rows may be altered, whatever makes them, but not what they are scaled by.
      #expect(harness.count("LayerNormalization") == (op == "Div" ? 1 : 0), "\(op)")
      #expect(harness.after.nodes.contains { $0.outputs[0] == value })
      #expect(harness.after.nodes.contains { $0.inputs.contains(value) })
      #expect(try harness.difference(inputs) < 2e-6)
    }
    let g = GraphBuilder(graph)
    g.output(Value(graph.nodes.first { $0.op == "Sub" }!.outputs[0]), as: "difference", nil)
    let harness = try RuleHarness(g.graph, .recognition, inputs)
    #expect(harness.count("LayerNormalization") == 1)
    #expect(harness.count("Sub") == 1)
    #expect(try harness.difference(inputs) < 2e-6)
  }
}
