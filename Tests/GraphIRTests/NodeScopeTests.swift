import GraphIR
import Testing

@Suite struct NodeScopeTests {
  private func scope(_ name: String, _ note: String? = nil) -> [String] {
    let metadata = note.map { ["pkg.torch.onnx.name_scopes": $0] } ?? [:]
    return Node("Relu", name: name, inputs: ["x"], outputs: ["y"], metadata: metadata).scope
  }

  @Test func ofNames() {
    #expect(scope("unet/mid_block/conv1") == ["unet", "mid_block"])
    #expect(scope("/down_blocks.0/conv/Conv") == ["down_blocks.0", "conv"])
    #expect(scope("Conv_3") == [] && scope("") == [] && scope("/") == [])
  }

  @Test func ofExportersNotes() {
    let note = "['', 'model', 'model.down_blocks.0', 'model.down_blocks.0.resnets.0', 'silu_2']"
    #expect(scope("node_silu_2", note) == ["model", "down_blocks.0", "resnets.0"])
    // Names win.
    #expect(scope("a/b", note) == ["a"])
    #expect(scope("n", "['modelling', 'model', 'x']") == ["modelling", "model"])
    for odd in ["", "'", "''", "[", "['x']"] { #expect(scope("n", odd) == []) }
  }
}
