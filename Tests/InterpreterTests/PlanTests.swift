import GraphIR
import Interpreter
import TestSupport
import Testing

@Suite struct PlanTests {
  private var random = Seeded(11)

  /// y = (x · w + b), with a symbolic batch, and z = x + other.
  private var twoInputs: Graph {
    let g = GraphBuilder()
    let x = g.input("x", .float32, ["batch", 4])
    let other = g.input("other", .float32, ["batch", 4])
    let w = g.constant(Tensor([Float](repeating: 0.5, count: 8), shape: [4, 2]), "w")
    let hidden = g.MatMul(x, w, name: "hidden")
    g.output(g.Relu(hidden, name: "relu"), as: "y", nil)
    g.output(g.Add(x, other, name: "sum"), as: "z", nil)
    return g.graph
  }

  @Test func missingInputsAreListed() {
    #expect(
      message { try plan(twoInputs, [:]) }
        == "missing inputs: 'x' float32[batch, 4], 'other' float32[batch, 4]")
    #expect(
      message { try plan(twoInputs, ["x": .zeros(.float32, [2, 4])]) }
        == "missing input: 'other' float32[batch, 4]")
  }

  @Test func onlyWhatIsNeededIsAskedFor() throws {
    let x = Tensor.zeros(.float32, [2, 4])
    #expect(try plan(twoInputs, ["x": x], outputs: ["y"]).run(["x": x]).keys.sorted() == ["y"])
    // Upstream of a fed value nothing is.
    let hidden = Tensor([Float(-1), 2], shape: [1, 2])
    let plan = try plan(twoInputs, ["hidden": hidden], outputs: ["y"])
    #expect(try plan.run(["hidden": hidden])["y"]!.floats == [0, 2])
    #expect(plan.graph.nodes.count == 2)
  }

  @Test func wrongInputs() {
    let x = Tensor.zeros(.float32, [2, 4])
    #expect(message { try plan(twoInputs, ["q": x]) } == "the graph has no value 'q' to feed")
    #expect(message { try plan(twoInputs, ["x": x], outputs: ["q"]) } == "the graph has no value 'q'")
    #expect(
      message { try plan(twoInputs, ["x": .zeros(.float32, [2, 5]), "other": x]) }
        == "input 'x' is float32[2, 5], the graph wants float32[batch, 4]")
    #expect(
      message { try plan(twoInputs, ["x": .zeros(.int64, [2, 4]), "other": x]) }
        == "input 'x' is int64[2, 4], the graph wants float32[batch, 4]")
    #expect(
      message { try plan(twoInputs, ["x": .zeros(.float32, [4]), "other": x]) }
        == "input 'x' is float32[4], the graph wants float32[batch, 4]")
    #expect(
      message { try plan(twoInputs, ["x": x, "other": .zeros(.float32, [3, 4])]) }
        == "inputs 'x' and 'other' disagree about 'batch': 2 and 3")
    #expect(
      message { try plan(twoInputs, ["hidden": .zeros(.bool, [2, 2]), "x": x, "other": x]) }?
        .contains("it cannot be replaced by bool[2, 2]") == true)
  }

  @Test func runChecksWhatItGets() throws {
    let x = Tensor.zeros(.float32, [2, 4])
    let plan = try plan(twoInputs, ["x": x], outputs: ["y"])
    #expect(message { try plan.run([:]) } == "missing input 'x'")
    #expect(
      message { try plan.run(["x": .zeros(.float32, [1, 4])]) }
        == "input 'x' is float32[1, 4], the plan is for float32[2, 4]")
  }

  @Test func unboundWeights() {
    var graph = twoInputs
    graph.initializers["w"] = Initializer(
      dtype: .float32, shape: [4, 2], external: ExternalLocation(path: "w.bin", offset: 0, length: 32))
    let text = message { try plan(graph, ["x": .zeros(.float32, [1, 4])], outputs: ["y"]) }
    #expect(text == "weights are not bound, the first is 'w' (w.bin): give --weights FOLDER")
  }

  /// An output of a node that another output keeps: the fed tensor is used and not written over.
  @Test func oneOutputOfTwoFed() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [4])
    let parts = g.emit("Split", [x], ["num_outputs": .int(2)], outputs: 2, name: "parts")
    g.output(g.Add(parts[0], parts[1]), as: "y", nil)
    let inputs = [
      "x": Tensor([Float(1), 2, 3, 4], shape: [4]), parts[0].name: Tensor([Float(10), 20], shape: [2]),
    ]
    let plan = try plan(g.graph, inputs)
    #expect(try plan.run(inputs)["y"]!.floats == [13, 24])
    #expect(inputs[parts[0].name]!.floats == [10, 20])
    #expect(try plan.run(inputs)["y"]!.floats == [13, 24])
  }

  /// An input met again after the output has begun to take its place.
  @Test func repeatedInputsOfVariadicOperators() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [3])
    let a = g.Neg(x)
    let b = g.Abs(x)
    g.output(g.Sum(a, b, a), as: "y", nil)
    let x0 = Tensor([Float(1), -2, 3], shape: [3])
    #expect(try plan(g.graph, ["x": x0]).run(["x": x0])["y"]!.floats == [-1, 6, -3])
  }

  @Test func scatterOfAValueIntoItself() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [3])
    let a = g.Neg(x)
    g.output(
      g.ScatterElements(a, g.ints([1, 2, 0], "places"), g.Reshape(a, g.ints([3]))), as: "y", nil)
    let x0 = Tensor([Float(1), 2, 3], shape: [3])
    #expect(try plan(g.graph, ["x": x0]).run(["x": x0])["y"]!.floats == [-3, -1, -2])
  }

  /// A view whose shape is known only at run time keeps the memory of what it views.
  @Test func viewsMadeAtRunTime() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [6])
    let shape = g.input("shape", .int64, [2])
    let a = g.Neg(x)
    let view = g.Reshape(a, shape)
    var b = g.Abs(x)
    for _ in 0..<4 { b = g.Add(g.Tanh(b), x) }
    g.output(g.Add(view, g.Reshape(b, shape)), as: "y", nil)
    g.output(view, as: "v", nil)
    let inputs = [
      "x": Tensor([Float](arrayLiteral: 1, 2, 3, 4, 5, 6), shape: [6]),
      "shape": Tensor([Int64(2), -1], shape: [2]),
    ]
    let expected = try NaiveEvaluator.values(g.graph, inputs)
    let plan = try plan(g.graph, inputs)
    let first = try plan.run(inputs)
    _ = try plan.run([
      "x": .zeros(.float32, [6]), "shape": Tensor([Int64(3), 2], shape: [2]),
    ])
    #expect(first["y"]!.isIdentical(to: expected["y"]!))
    #expect(first["v"]!.isIdentical(to: expected["v"]!))
  }

  @Test func shapesThatDependOnValues() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [5])
    let n = g.input("n", .int64, [])
    let places = g.NonZero(g.Greater(x, g.scalar(0)))
    let positive = g.Gather(x, g.Reshape(places, g.ints([-1])))
    g.output(g.Mul(positive, g.scalar(2)), as: "y", nil)
    let range = g.Range(g.constant(Tensor(scalar: Int64(0))), n, g.constant(Tensor(scalar: Int64(1))))
    g.output(g.Cast(range, attributes: ["to": .int(1)]), as: "r", nil)
    let inputs = [
      "x": Tensor([Float(1), -1, 3, 0, 5], shape: [5]), "n": Tensor(scalar: Int64(3)),
    ]
    let plan = try plan(g.graph, inputs)
    for _ in 0..<2 {
      let results = try plan.run(inputs)
      #expect(results["y"]!.floats == [2, 6, 10])
      #expect(results["r"]!.floats == [0, 1, 2])
    }
    // Another run of the same plan has other shapes.
    let results = try plan.run(["x": .zeros(.float32, [5]), "n": Tensor(scalar: Int64(0))])
    #expect(results["y"]!.shape == [0])
    #expect(results["r"]!.shape == [0])
  }

  @Test func constantsAreFolded() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [2, 3])
    var random = Seeded(5)
    // Above the limit of inference, so that folding itself has to do it.
    let large = g.constant(random.tensor([200, 200]), "large")
    let turned = g.Transpose(g.Mul(large, large))
    let shape = g.Shape(x)
    g.output(g.Reshape(x, g.Concat(shape, g.ints([1]), attributes: ["axis": .int(0)])), as: "y", nil)
    g.output(g.Add(x, g.ReduceMean(turned, attributes: ["keepdims": .int(0)])), as: "z", nil)
    let inputs = ["x": random.tensor([2, 3])]
    let plan = try plan(g.graph, inputs)
    #expect(plan.graph.nodes.map(\.op).sorted() == ["Add", "Identity", "Identity", "Reshape"])
    #expect(plan.constantBytes < 1000)
    let expected = try NaiveEvaluator.values(g.graph, inputs)
    let results = try plan.run(inputs)
    for name in ["y", "z"] { #expect(results[name]!.isIdentical(to: expected[name]!)) }
  }

  @Test func constantOutputsAreCopies() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [1])
    let c = g.constant(Tensor([Float(3)], shape: [1]), "c")
    g.edit { $0.outputs = [ValueInfo(x.name, nil), ValueInfo(c.name, nil), ValueInfo(c.name, nil)] }
    let inputs = ["x": Tensor([Float(1)], shape: [1])]
    let plan = try plan(g.graph, inputs)
    let results = try plan.run(inputs)
    for tensor in results.values { tensor.assign(Tensor([Float(9)], shape: [1])) }
    #expect(inputs["x"]!.floats == [1])
    #expect(try plan.run(inputs)["c"]!.floats == [3])
  }

  @Test func failuresNameTheNode() throws {
    let g = GraphBuilder()
    let x = g.input("x", .float32, [2])
    let i = g.input("i", .int64, [1])
    g.output(g.Gather(x, i, name: "pick"), as: "y", nil)
    let inputs = ["x": Tensor.zeros(.float32, [2]), "i": Tensor([Int64(7)], shape: [1])]
    let text = message { try plan(g.graph, inputs).run(inputs) }
    #expect(
      text?.hasPrefix("node 'pick' (Gather) with inputs (float32[2], int64[1]): ") == true, "\(text ?? "")")
  }
}
