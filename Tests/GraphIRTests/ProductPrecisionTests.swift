import Testing

@testable import GraphIR

@Suite("Precision of products")
struct ProductPrecisionTests {
  private func node(_ metadata: [String: String]) -> Node {
    Node("MatMul", name: "n", inputs: ["a", "b"], outputs: ["y"], metadata: metadata)
  }

  @Test func whatANodeSaysItselfStays() throws {
    var graph = Graph(opsets: ["": 22])
    graph.nodes = [node([:]), node(["dsd.precision": "float32", "dsd.layer": "mid"])]
    let asked = graph.asking(for: .bfloat16)
    #expect(try asked.nodes.map { try $0.productPrecision() } == [.bfloat16, .float32])
    #expect(asked.nodes[1].metadata["dsd.layer"] == "mid")
    #expect(try graph.nodes[0].productPrecision() == .float32)
  }

  @Test func anotherWordIsRefused() {
    #expect {
      try node(["dsd.precision": "fp8"]).productPrecision()
    } throws: {
      "\($0)" == "metadata 'dsd.precision': 'fp8' is not float32 or bfloat16"
    }
  }
}
