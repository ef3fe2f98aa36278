import GraphIR
import TestSupport
import Testing

struct ConvolutionCase: Sendable, CustomStringConvertible {
  var x = [2, 4, 7, 6]
  var w = [6, 4, 3, 3]
  var attributes: [String: Attribute]
  var description: String { "\(x) \(w) \(attributes.keys.sorted())" }
}

let convolutionCases: [ConvolutionCase] = [
  .init(attributes: ["pads": .ints([1, 1, 1, 1])]),
  .init(attributes: ["strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1])]),
  .init(attributes: ["strides": .ints([2, 3]), "pads": .ints([0, 1, 1, 0])]),
  .init(attributes: ["dilations": .ints([2, 1]), "strides": .ints([1, 2])]),
  .init(w: [6, 2, 3, 3], attributes: ["group": .int(2), "pads": .ints([1, 1, 1, 1])]),
  .init(w: [6, 4, 1, 1], attributes: [:]),
  .init(w: [6, 4, 2, 3], attributes: ["auto_pad": .string("SAME_UPPER"), "strides": .ints([2, 2])]),
  .init(x: [2, 3, 9], w: [4, 3, 4], attributes: ["strides": .ints([3])]),
]

let transposedCases: [ConvolutionCase] = [
  .init(x: [2, 4, 3, 4], w: [4, 3, 3, 3], attributes: ["pads": .ints([1, 1, 1, 1])]),
  .init(
    x: [2, 4, 3, 4], w: [4, 3, 3, 3],
    attributes: ["strides": .ints([2, 2]), "pads": .ints([1, 1, 1, 1]), "output_padding": .ints([1, 1])]),
  .init(x: [1, 4, 3, 3], w: [4, 3, 2, 2], attributes: ["strides": .ints([2, 3]), "group": .int(2)]),
  .init(x: [1, 2, 5], w: [2, 3, 3], attributes: ["dilations": .ints([2])]),
]

@Suite("Gradients of products and convolutions agree with central differences")
struct MatrixGradientTests {
  @Test("of MatMul, with vectors and broadcast batches")
  func matMul() throws {
    let shapes: [([Int], [Int])] = [
      ([3, 4], [4, 5]), ([2, 3, 4], [4, 5]), ([2, 3, 4], [2, 4, 5]), ([2, 1, 3, 4], [5, 4, 2]),
      ([3, 4], [2, 4, 3]),
      ([4], [4, 3]), ([2, 3, 4], [4]), ([4], [4]),
    ]
    for (a, b) in shapes {
      let inputs = ["a": GradientHarness.random(a, seed: 1), "b": GradientHarness.random(b, seed: 2)]
      let check = try GradientHarness(inputs: inputs, wrt: ["a", "b"]) { g in
        [g.MatMul(Value("a"), Value("b"))]
      }
      #expect(check.worst < 1e-5, "\(a) and \(b): \(check.errors)")
    }
  }

  @Test("of Gemm", arguments: [(0, 0), (0, 1), (1, 0), (1, 1)])
  func gemm(_ transposes: (Int, Int)) throws {
    let inputs = [
      "a": GradientHarness.random(transposes.0 == 1 ? [4, 3] : [3, 4], seed: 1),
      "b": GradientHarness.random(transposes.1 == 1 ? [5, 4] : [4, 5], seed: 2),
      "c": GradientHarness.random([5], seed: 3),
    ]
    let attributes: [String: Attribute] = [
      "alpha": .float(1.5), "beta": .float(0.5), "transA": .int(transposes.0), "transB": .int(transposes.1),
    ]
    let check = try GradientHarness(inputs: inputs, wrt: ["a", "b", "c"]) { g in
      [g.Gemm(Value("a"), Value("b"), Value("c"), attributes: attributes)]
    }
    #expect(check.worst < 1e-5, "\(check.errors)")
  }

  @Test("of Linear")
  func linear() throws {
    let inputs = [
      "x": GradientHarness.random([2, 3, 4], seed: 1), "w": GradientHarness.random([5, 4], seed: 2),
      "b": GradientHarness.random([5], seed: 3),
    ]
    let check = try GradientHarness(inputs: inputs, wrt: ["x", "w", "b"]) { g in
      g.emit("Linear", domain: "dsd", [Value("x"), Value("w"), Value("b")])
    }
    #expect(check.worst < 1e-5, "\(check.errors)")
  }

  @Test("of Conv", arguments: convolutionCases)
  func convolution(_ window: ConvolutionCase) throws {
    let inputs = [
      "x": GradientHarness.random(window.x, seed: 1), "w": GradientHarness.random(window.w, seed: 2),
      "b": GradientHarness.random([window.w[0]], seed: 3),
    ]
    let check = try GradientHarness(inputs: inputs, wrt: ["x", "w", "b"]) { g in
      [g.Conv(Value("x"), Value("w"), Value("b"), attributes: window.attributes)]
    }
    #expect(check.worst < 1e-5, "\(check.errors)")
  }

  @Test("of ConvTranspose", arguments: transposedCases)
  func transposedConvolution(_ window: ConvolutionCase) throws {
    let group =
      window.attributes["group"].flatMap { if case .int(let value) = $0 { value } else { nil } } ?? 1
    let inputs = [
      "x": GradientHarness.random(window.x, seed: 1), "w": GradientHarness.random(window.w, seed: 2),
      "b": GradientHarness.random([window.w[1] * group], seed: 3),
    ]
    let check = try GradientHarness(inputs: inputs, wrt: ["x", "w", "b"]) { g in
      [g.ConvTranspose(Value("x"), Value("w"), Value("b"), attributes: window.attributes)]
    }
    #expect(check.worst < 1e-5, "\(check.errors)")
  }

  @Test("of Einsum", arguments: ["ij,jk->ik", "bij,bkj->bik", "ij,ij->", "ijk,j->i", "i,j->ij"])
  func einsum(_ equation: String) throws {
    let sizes: [Character: Int] = ["i": 2, "j": 3, "k": 4, "b": 2]
    let terms = equation.split(separator: "-")[0].split(separator: ",")
    var inputs: [String: Tensor] = [:]
    for (position, term) in terms.enumerated() {
      inputs["x\(position)"] = GradientHarness.random(term.map { sizes[$0]! }, seed: UInt64(position) + 1)
    }
    let names = inputs.keys.sorted()
    let check = try GradientHarness(inputs: inputs, wrt: names) { g in
      g.emit("Einsum", names.map { Value($0) }, ["equation": .string(equation)])
    }
    #expect(check.worst < 1e-5, "\(check.errors)")
  }
}
