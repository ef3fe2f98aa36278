import Foundation
import TestSupport
import Testing

@testable import Discriminative

@Suite struct HeadTests {
  /// Terms of some pairs, of the size that Stable Diffusion's have.
  static func terms(pairs: Int, timesteps: Int, layers: Int, heads: Int, seed: UInt64 = 1) -> HeadTerms {
    var random = SplitMix64(state: seed)
    func values(_ count: Int, _ middle: Double) -> [Double] {
      (0..<count).map { _ in middle + Double(random.next(below: 1000)) / 500 }
    }
    var terms = HeadTerms(pairs: pairs, timesteps: timesteps)
    terms.set(.attention, values(pairs * timesteps * layers, 4))
    terms.set(.bias, values(pairs * timesteps, -1))
    terms.set(.heads, values(pairs * timesteps * heads, 4))
    return terms
  }

  /// The committed files are what the code writes.
  @Test func files() throws {
    let folder = "\(Fixtures.repository)/Graphs/heads"
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".pb") }
    #expect(names.sorted() == Head.known.map { "\($0.name).pb" }.sorted())
    for definition in Head.known {
      let path = "\(folder)/\(definition.name).pb"
      let bytes = try GraphWriter.bytes(Head(named: definition.name).graph)
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(bytes), "\(definition.name)")
      #expect(try Head(path) == Head(named: definition.name))
    }
  }

  /// All of them begin as the mean, and grown heads compute what their files do.
  @Test func begin() throws {
    let terms = HeadTests.terms(pairs: 6, timesteps: 3, layers: 5, heads: 8)
    func term(_ name: String) -> [Float] { terms[name]!.array(of: Float.self) }
    for definition in Head.known {
      let head = try Head(named: definition.name)
      let scores = try HeadRunner(head).scores(terms)
      let width = head.reads.contains(.heads) ? 8 : 5
      let attention = term(head.reads.contains(.heads) ? "heads" : "attention")
      for pair in 0..<6 {
        var expected = 0.0
        for step in 0..<3 {
          let start = (pair * 3 + step) * width
          let mean = attention[start..<start + width].reduce(0.0) { $0 + Double($1) } / Double(width)
          expected += (mean + Double(term("bias")[pair * 3 + step])) / 3
        }
        #expect(abs(scores[pair] - expected) < 2e-6 * abs(expected), "\(definition.name)")
      }
      // The file itself, which broadcasts.
      let inputs = try HeadRunner.inputs(of: head, terms)
      let plan = try Plan(
        Preparation(
          head.graph, .standard, inputs: inputs.mapValues { TensorType($0.dtype, $0.shape) },
          pool: ThreadPool(threads: 1)))
      let plain = try plan.run(inputs)[Head.output]!.array(of: Float.self)
      for (a, b) in zip(plain, scores) { #expect(abs(Double(a) - b) < 2e-6 * abs(b)) }
    }
  }

  @Test func growing() throws {
    let head = try Head(named: "layer-weights")
    let grown = try head.grown(to: ["timesteps": 3, "layers": 5])
    #expect(grown.parameters.mapValues(\.shape) == ["weight": [3, 5], "bias_weight": [3]])
    #expect { try grown.grown(to: ["timesteps": 3, "layers": 6]) } throws: {
      "\($0)" == "head 'layer-weights': 'weight' is for 5 layers, the run has 6"
    }
    // An axis repeats by itself.
    let mlp = try Head(named: "mlp").grown(to: ["layers": 2])
    let weight = mlp.parameters["layer_weight"]!
    #expect(weight.shape == [2, MLPHead.hidden])
    #expect(weight.rows(0..<1).isIdentical(to: weight.rows(1..<2)))
  }

  /// A trained head is a head again, which knows what it was trained on.
  @Test func trained() throws {
    let head = try Head(named: "layer-weights").grown(to: ["timesteps": 2, "layers": 2])
    var parameters = head.parameters
    parameters["weight"] = Tensor([1, 2, 3, 4] as [Float], shape: [2, 2])
    let trained = try head.trained(parameters, layers: ["a", "b"], timesteps: [100, 500], terms: .attention)
    let path = try Fixtures.scratch() + "/trained.pb"
    try GraphWriter.write(trained.graph, to: path)
    let read = try Head(path)
    #expect(read == trained && read.layers == ["a", "b"] && read.timesteps == [100, 500])
    #expect(read.parameters["weight"]!.isIdentical(to: parameters["weight"]!))
    func message(_ timesteps: [Int], _ layers: [String], _ terms: MatchingOptions.Terms) -> String {
      do { try read.check(timesteps: timesteps, layers: layers, terms: terms) } catch { return "\(error)" }
      return ""
    }
    #expect(message([100, 500], ["a", "b"], .attention).isEmpty)
    #expect(
      message([100], ["a", "b"], .attention).contains("trained with --timesteps 100,500, this run has 100"))
    #expect(message([100, 500], ["a", "c"], .attention).contains("trained on other layers"))
    #expect(message([100, 500], ["a", "b"], .both).contains("trained with --score attention"))
  }

  @Test func refusals() throws {
    func message(_ change: (inout Graph) -> Void) throws -> String {
      var graph = try Head(named: "layer-weights").graph
      change(&graph)
      do { _ = try Head(graph) } catch { return "\(error)" }
      return ""
    }
    #expect(try message { _ in }.isEmpty)
    #expect(try message { $0.outputs = [] }.contains("no output 'score'"))
    #expect(
      try message { $0.metadata["dsd.learned"] = "nothing" }.contains("no float32 initializer 'nothing'"))
    #expect(try message { $0.metadata["dsd.learned"] = "weight:layers" }.contains("has 2 axes, not 1"))
    #expect(
      try message { $0.metadata["dsd.learned"] = "weight:layers,pairs" }.contains("axis 'pairs' is none of"))
    #expect(try message { $0.metadata["dsd.rule"] = "luck" }.contains("neither adamw nor importance"))
    #expect(try message { $0.metadata["dsd.timesteps"] = "1,x" }.contains("not a list of numbers"))
    #expect(
      try message { $0.inputs[0].type = TensorType(.float32, ["pairs", "timesteps"]) }.contains(
        "is of rank 2, not 3"))
    #expect { try Head("none") } throws: { "\($0)".contains("there is no head 'none'; there are mean,") }
    #expect { try Head("none.pb") } throws: { "\($0)".hasPrefix("none.pb") }
  }
}
