import GraphIR
import TestSupport
import Testing

@Suite("Gradients of attention, normalizations and activations agree with central differences")
struct FusedGradientTests {
  private func check(
    _ shapes: [String: [Int]], opset: Int = 23, expects: String? = nil,
    _ build: (GraphBuilder) throws -> [Value]
  ) throws {
    var inputs: [String: Tensor] = [:]
    for (index, name) in shapes.keys.sorted().enumerated() {
      inputs[name] = GradientHarness.random(shapes[name]!, seed: UInt64(index + 1))
    }
    let check = try GradientHarness(inputs: inputs, wrt: shapes.keys.sorted(), opset: opset, build)
    #expect(check.worst < 1e-5, "\(check.errors)")
    if let expects { #expect(check.operators.contains(expects), "\(check.operators)") }
  }

  private static let packed: [String: Attribute] = ["q_num_heads": .int(4), "kv_num_heads": .int(2)]

  @Test("of Attention with grouped heads, in both layouts, causal and capped")
  func attention() throws {
    let rank4 = ["q": [2, 4, 3, 5], "k": [2, 2, 6, 5], "v": [2, 2, 6, 3]]
    let rank3 = ["q": [2, 3, 20], "k": [2, 6, 10], "v": [2, 6, 6]]
    for extra in [[:], ["is_causal": .int(1)], ["softcap": .float(0.7), "scale": .float(1)]]
      as [[String: Attribute]]
    {
      try check(rank4, expects: "dsd.AttentionGradient") {
        [$0.Attention(Value("q"), Value("k"), Value("v"), attributes: extra)]
      }
      try check(rank3, opset: 24, expects: "dsd.AttentionGradient") {
        [
          $0.Attention(
            Value("q"), Value("k"), Value("v"), attributes: extra.merging(FusedGradientTests.packed) { $1 })
        ]
      }
    }
  }

  @Test("of the log-sum-exp alone and beside the result, with masks")
  func logSumExp() throws {
    let shapes = ["q": [1, 3, 20], "k": [1, 6, 10], "v": [1, 6, 6]]
    for takesResult in [false, true] {
      for mask in [
        Tensor([0, -1, 2, -.infinity, 0, 1] as [Double], shape: [1, 6]),
        Tensor((0..<18).map { $0 % 5 != 1 }, shape: [3, 6]),
      ] {
        let names = takesResult ? ["q", "k", "v"] : ["q", "k"]
        var inputs: [String: Tensor] = [:]
        for (index, name) in ["q", "k", "v"].enumerated() {
          inputs[name] = GradientHarness.random(shapes[name]!, seed: UInt64(index + 1))
        }
        let check = try GradientHarness(inputs: inputs, wrt: names) { g in
          let values = [Value("q"), Value("k"), Value("v"), g.constant(mask)]
          let outputs = g.emit(
            "Attention", domain: "dsd", values, FusedGradientTests.packed, outputs: 5, name: "attention")
          return takesResult ? [outputs[0], outputs[4]] : [outputs[4]]
        }
        #expect(check.worst < 1e-5, "\(check.errors)")
      }
    }
  }

  @Test("of Attention as recognition finds it")
  func recognised() throws {
    try check(["q": [1, 2, 3, 4], "k": [1, 2, 5, 4], "v": [1, 2, 5, 4]]) { g in
      let keys = g.Transpose(Value("k"), attributes: ["perm": .ints([0, 1, 3, 2])])
      let scores = g.Mul(g.MatMul(Value("q"), keys), g.constant(Tensor(scalar: 0.5)))
      return [g.MatMul(g.Softmax(scores, attributes: ["axis": .int(-1)]), Value("v"))]
    }
  }

  @Test(
    "of GroupNormalization and InstanceNormalization, with numbers per channel and per group",
    arguments: [18, 21])
  func groups(_ opset: Int) throws {
    let count = opset < 21 ? 3 : 6
    for size in [[5], [3, 4]] {
      try check(
        ["x": [2, 6] + size, "scale": [count], "bias": [count]], opset: opset,
        expects: "dsd.GroupNormalizationGradient"
      ) {
        [
          $0.GroupNormalization(
            Value("x"), Value("scale"), Value("bias"), attributes: ["num_groups": .int(3)])
        ]
      }
      try check(["x": [2, 6] + size, "scale": [6], "bias": [6]], opset: opset) {
        [$0.InstanceNormalization(Value("x"), Value("scale"), Value("bias"))]
      }
    }
  }

  @Test("of LayerNormalization and RMSNormalization, with parameters of several shapes")
  func layers() throws {
    for (axis, scale, bias) in [
      (-1, [5], [5]), (1, [4, 5], [5]), (2, [1, 1, 5], [1]), (0, [2, 4, 5], [4, 1]),
    ] {
      try check(
        ["x": [2, 4, 5], "scale": scale, "bias": bias], expects: "dsd.LayerNormalizationGradient"
      ) {
        [$0.LayerNormalization(Value("x"), Value("scale"), Value("bias"), attributes: ["axis": .int(axis)])]
      }
      try check(["x": [2, 4, 5], "scale": scale]) {
        [$0.RMSNormalization(Value("x"), Value("scale"), attributes: ["axis": .int(axis)])]
      }
    }
  }

  @Test("of Gelu, GEGLU, Swish, SiLU and SwiGLU")
  func activations() throws {
    let x = ["x": [3, 7]]
    for name in ["none", "tanh"] {
      try check(x, expects: "dsd.GeluGradient") {
        [$0.Gelu(Value("x"), attributes: ["approximate": .string(name)])]
      }
    }
    for name in ["none", "tanh"] {
      try check(["x": [3, 8]], expects: "dsd.GeluGradient") {
        $0.emit("GEGLU", domain: "dsd", [Value("x")], ["approximate": .string(name)])
      }
    }
    try check(x, opset: 24, expects: "dsd.SwishGradient") {
      [$0.Swish(Value("x"), attributes: ["alpha": .float(1.7)])]
    }
    try check(x, expects: "dsd.SwishGradient") { $0.emit("SiLU", domain: "dsd", [Value("x")]) }
    try check(["a": [3, 4], "b": [3, 4]], opset: 28) {
      [$0.SwiGLU(Value("a"), Value("b"), attributes: ["alpha": .float(0.8)])]
    }
  }

  @Test("What has no gradient says why")
  func refusals() {
    func message(_ shapes: [String: [Int]], wrt: [String], _ build: (GraphBuilder) -> [Value]) -> String {
      let inputs = shapes.mapValues { GradientHarness.random($0, seed: 3) }
      do {
        _ = try GradientHarness(inputs: inputs, wrt: wrt, build)
        return ""
      } catch {
        return "\(error)"
      }
    }
    let heads = ["q": [1, 2, 3, 4], "k": [1, 2, 5, 4]]
    #expect(
      message(heads.merging(["m": [3, 5]]) { $1 }, wrt: ["m"]) {
        [$0.Attention(Value("q"), Value("k"), Value("k"), Value("m"))]
      }.contains("with respect to its mask"))
    #expect(
      message(heads, wrt: ["q"]) { $0.emit("Attention", [Value("q"), Value("k"), Value("k")], outputs: 4) }
        .contains("through output present_key"))
    #expect(
      message(["x": [2, 3], "s": [2, 3]], wrt: ["x"]) { [$0.LayerNormalization(Value("x"), Value("s"))] }
        .contains("differs between rows"))
  }
}
