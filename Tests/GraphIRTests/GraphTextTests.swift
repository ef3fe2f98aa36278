import GraphIR
import Testing

@Suite struct GraphTextTests {
  @Test func printsOneLinePerNode() {
    var graph = Graph(name: "mlp")
    graph.inputs = [ValueInfo("x", TensorType(.float32, ["batch", 4])), ValueInfo("free", nil)]
    graph.initializers["w"] = Initializer(
      dtype: .float32, shape: [2, 4],
      external: ExternalLocation(path: "weights.safetensors", offset: 128, length: 32))
    graph.initializers["b"] = Initializer(Tensor([Float(0), 1.5], shape: [2]))
    graph.initializers["long"] = Initializer(Tensor([Int64](1...9), shape: [9]))
    graph.nodes = [
      Node("Gemm", name: "y", inputs: ["x", "w", "b"], outputs: ["y"], attributes: ["transB": .int(1)]),
      Node(
        "Clip", domain: "dsd", name: "mlp/clip", inputs: ["y", "", "b"], outputs: ["z", "", "u"],
        attributes: [
          "mode": .string("soft"), "list": .ints([1, 2]), "scale": .float(0.5),
          "value": .tensor(Tensor([Int64(3)], shape: [1])),
        ]),
    ]
    graph.outputs = [ValueInfo("z", TensorType(.float32, nil))]
    #expect(
      graph.text == """
        <ir_version: 10, opset_import: ["": 23], producer: "dsd">
        mlp (float32[batch, 4] x, free) => (float32[…] z)
        <
          float32[2, 4] w at weights.safetensors:128+32,
          float32[2] b = {0, 1.5},
          int64[9] long = {1, 2, 3, 4, 5, 6, …}
        >
        {
          y = Gemm<transB=1>(x, w, b)
          [mlp/clip] z, _, u = dsd.Clip<list=[1, 2], mode="soft", scale=0.5, value=int64[1] {3}>(y, _, b)
        }

        """)
  }

  @Test func indentsBodies() {
    var body = Graph(name: "then")
    body.nodes = [Node("Same", inputs: ["x"], outputs: ["q"])]
    body.outputs = [ValueInfo("q", nil)]
    var graph = Graph()
    graph.nodes = [Node("If", inputs: ["c"], outputs: ["z"], attributes: ["then_branch": .graph(body)])]
    #expect(
      graph.text == """
        <ir_version: 10, opset_import: ["": 23], producer: "dsd">
        graph () => ()
        {
          z = If<then_branch=then () => (q)
            {
              q = Same(x)
            }>(c)
        }

        """)
  }
}
