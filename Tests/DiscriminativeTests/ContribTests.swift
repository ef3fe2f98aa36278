import Discriminative
import Foundation
import TestSupport
import Testing

/// Operators of `com.microsoft`, one file each, beside what ONNX Runtime makes of them.
@Suite struct ContribTests {
  static let names = try! FileManager.default.contentsOfDirectory(atPath: Fixtures.path("contrib"))
    .filter { $0.hasSuffix(".onnx") }.map { String($0.dropLast(5)) }.sorted()

  @Test func everyCaseIsThere() { #expect(Self.names.count == 67) }

  @Test func agreesWithTheRuntime() throws {
    let cases = try SafetensorsFile(path: Fixtures.path("contrib/cases.safetensors"))
    for name in Self.names {
      let graph = try GraphReader.read(path: Fixtures.path("contrib/\(name).onnx")).validated(.standard)
      #expect(graph.nodes.allSatisfy { $0.domain.isEmpty || $0.domain == "dsd" }, "\(name)")
      let inputs = try Dictionary(
        uniqueKeysWithValues: graph.requiredInputs.map {
          ($0.name, try cases.tensor("\(name).in.\($0.name)"))
        })
      for rewrites in [[], [RuleSet.recognition, RuleSet.fusion]] {
        let preparation = try Preparation(
          graph, .standard, inputs: inputs.mapValues { TensorType($0.dtype, $0.shape) }, rewrites: rewrites,
          pool: ThreadPool(threads: 2))
        let results = try Plan(preparation).run(inputs)
        for info in graph.outputs {
          let expected = try cases.tensor("\(name).out.\(info.name)")
          let actual = try #require(results[info.name])
          #expect(actual.dtype == .int32 || info.type?.dtype == actual.dtype, "\(name)")
          let difference = Comparison.relativeToPeak(actual, expected)
          #expect(
            difference <= (actual.dtype == .float16 ? 2e-3 : 5e-6), "\(name) \(info.name): \(difference)")
        }
      }
    }
  }

  /// The fused node's name stays on what makes its result, and constants and inner values are in its scope.
  @Test func namesAreScopes() throws {
    let graph = try GraphReader.read(path: Fixtures.path("contrib/matmul-alpha.onnx"))
    #expect(graph.nodes.map(\.op) == ["Constant", "MatMul", "CastLike", "Mul"])
    #expect(graph.nodes.last?.name == "y")
    #expect(graph.nodes.dropLast().allSatisfy { $0.name.hasPrefix("y/") })
    #expect(Set(graph.nodes.map(\.name)).count == 4)
  }

  /// Attention that was one node is found as cross-attention is elsewhere, and its scores are there.
  @Test func attentionIsAttention() throws {
    for name in ["mha", "mha-bias", "mha-packed-kv", "attention"] {
      let graph = try GraphReader.read(path: Fixtures.path("contrib/\(name).onnx"))
      let found = graph.nodes.filter { $0.op == "Attention" }
      #expect(found.count == 1)
      #expect(OperatorSet.standard.type("Attention", domain: found[0].domain) != nil)
    }
  }
}
