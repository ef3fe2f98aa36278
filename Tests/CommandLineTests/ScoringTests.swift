import CommandLineSupport
import Foundation
import TestSupport
import Testing

/// The programs as a person runs them.
@Suite struct ScoringTests {
  private struct Scores: Decodable {
    let scores, attention, bias: [[Double]]
    let texts: [String]
    let best_text: [Int]
  }

  private func score(_ graph: String, kind: String, _ extra: [String] = []) throws -> Scores {
    let outcome = try Commands.run(
      "dsd-run",
      [
        graph, "--hook", "attn-score", "--image", Fixtures.path("reference/\(kind)/image-a.png"), "--text",
        "a red dog", "--text", "a castle beside a lake", "--timesteps", "20,500", "--json",
      ] + extra)
    #expect(outcome.code == 0, "\(outcome.errors)")
    return try JSONDecoder().decode(Scores.self, from: Data(outcome.output.utf8))
  }

  /// The graph of one checkpoint with the weights of another scores as the other's own graph, bit for bit.
  @Test func swappedWeights() throws {
    let first = try Commands.importedCheckpoint("sd15")
    let second = try Commands.importedCheckpoint("sd15")
    try scramble("\(second)/unet/diffusion_pytorch_model.safetensors")
    try scramble("\(second)/text_encoder/model.safetensors")
    let again = try Commands.run("dsd", ["import", second])
    #expect(again.code == 0, "\(again.errors)")
    let own = try score("\(second)/graph.pb", kind: "sd15")
    let swapped = try score("\(first)/graph.pb", kind: "sd15", ["--weights", second])
    let original = try score("\(first)/graph.pb", kind: "sd15")
    #expect(own.scores == swapped.scores)
    #expect(own.scores != original.scores)
  }

  /// Changes every weight of a float32 file a little.
  private func scramble(_ path: String) throws {
    var random = Seeded(7)
    try rewrite(path) { tensor in
      let elements = tensor.pointer(as: Float.self)
      for i in 0..<tensor.count { elements[i] *= Float.random(in: 0.9...1.1, using: &random) }
      return tensor
    }
  }

  /// Writes a file anew with its float32 tensors changed.
  private func rewrite(_ path: String, _ change: (Tensor) -> Tensor) throws {
    let file = try SafetensorsFile(path: path)
    let tensors = try file.keys.map { key -> (String, Tensor) in
      let tensor = try file.tensor(key).copy()
      return (key, tensor.dtype == .float32 ? change(tensor) : tensor)
    }
    try SafetensorsWriter.write(tensors, metadata: file.metadata, to: path)
  }

  /// A float32 graph with float16 weights scores as the float16 checkpoint's own graph, and the other way
  /// round.
  @Test func weightsOfAnotherFloatType() throws {
    let full = try Commands.importedCheckpoint("sd21base")
    let half = try Commands.importedCheckpoint("sd21base")
    for file in ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"] {
      try rewrite("\(half)/\(file).safetensors") { $0.converted(to: .float16) }
    }
    let again = try Commands.run("dsd", ["import", half])
    #expect(again.code == 0, "\(again.errors)")
    let ofFull = try score("\(full)/graph.pb", kind: "sd21base")
    let ofHalf = try score("\(half)/graph.pb", kind: "sd21base")
    #expect(ofFull.scores != ofHalf.scores)
    #expect(try score("\(full)/graph.pb", kind: "sd21base", ["--weights", half]).scores == ofHalf.scores)
    #expect(try score("\(half)/graph.pb", kind: "sd21base", ["--weights", full]).scores == ofFull.scores)
  }

  @Test func configOnlyGraphWithWeights() throws {
    let checkpoint = try Commands.importedCheckpoint("sd21base")
    let bare = try Fixtures.scratch() + "/bare.pb"
    let made = try Commands.run("dsd", ["import", checkpoint, "--config-only", "-o", bare])
    #expect(made.code == 0, "\(made.errors)")
    let expected = try score("\(checkpoint)/graph.pb", kind: "sd21base")
    let result = try score(bare, kind: "sd21base", ["--weights", checkpoint])
    #expect(result.scores == expected.scores)
  }

  /// A graph file above its checkpoint's folder finds weights and tokenizer.
  @Test func graphAboveItsCheckpoint() throws {
    let checkpoint = try Commands.importedCheckpoint("sd21base")
    let above = URL(fileURLWithPath: checkpoint).deletingLastPathComponent().path + "/above.pb"
    let made = try Commands.run("dsd", ["import", checkpoint, "-o", above])
    #expect(made.code == 0 && made.errors.isEmpty, "\(made.errors)")
    let expected = try score("\(checkpoint)/graph.pb", kind: "sd21base")
    #expect(try score(above, kind: "sd21base").scores == expected.scores)
    let other = try Commands.importedCheckpoint("sd21base")
    #expect(try score(above, kind: "sd21base", ["--weights", other]).scores == expected.scores)
    // And one that is written above that one.
    let folder = URL(fileURLWithPath: above).deletingLastPathComponent()
    let name = "above-\(folder.lastPathComponent).pb"
    let higher = folder.deletingLastPathComponent().appendingPathComponent(name).path
    let rewritten = try Commands.run("dsd", ["rewrite", above, "-o", higher])
    #expect(rewritten.code == 0, "\(rewritten.errors)")
    #expect(try score(higher, kind: "sd21base").scores == expected.scores)
    let refused = try Commands.run("dsd", ["rewrite", above, "-o", higher, "--weights", other])
    #expect(refused.code != 0 && refused.errors.contains("--weights: "))
  }

  @Test func tableAndListing() throws {
    let checkpoint = try Commands.importedCheckpoint("sd21base")
    let outcome = try Commands.run(
      "dsd-run",
      [
        "\(checkpoint)/graph.pb", "--hook", "attn-score", "--image",
        Fixtures.path("reference/sd21base/image-b.png"), "--text", "a red dog", "--text", "two cats",
        "--samples", "2",
      ])
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(outcome.output.contains("a red dog"))
    #expect(outcome.output.components(separatedBy: "← best").count == 2)
    let listing = try Commands.run("dsd-run", ["--hook", "list"])
    for hook in ["attn-score", "capture", "replace"] { #expect(listing.output.contains(hook)) }
    let inspection = try Commands.run("dsd", ["inspect", "\(checkpoint)/graph.pb", "--sweep", "3,4,2"])
    #expect(inspection.code == 0, "\(inspection.errors)")
    #expect(inspection.output.contains("multiply-adds"))
  }

  /// A bare UNet: the attention term of each layer and batch element.
  @Test func bareUNetWithCapture() throws {
    let folder = try Fixtures.scratch()
    let name = "unet-sd15-legacy-14"
    let reference = try SafetensorsFile(path: Fixtures.path("exports/\(name).safetensors"))
    var arguments = [Fixtures.path("exports/\(name).onnx")]
    for input in ["sample", "timestep", "encoder_hidden_states"] {
      try NPYFile.write(try reference.tensor("a.in.\(input)"), to: "\(folder)/\(input).npy")
      arguments += ["--input", "\(input)=\(folder)/\(input).npy"]
    }
    let scored = try Commands.run(
      "dsd-run",
      arguments + [
        "--hook", "attn-score", "--layers", "all", "--json", "--hook",
        "capture:op=Softmax,out=\(folder)/maps",
      ])
    #expect(scored.code == 0, "\(scored.errors)")
    struct Layers: Decodable {
      let layers: [String]
      let per_layer: [[Double]]
    }
    let result = try JSONDecoder().decode(Layers.self, from: Data(scored.output.utf8))
    #expect(result.layers.count == 4 && result.per_layer.allSatisfy { $0.count == 2 })
    #expect(result.layers.contains("mid_block.attentions.0.transformer_blocks.0.attn2"))
    // Self- and cross-attention of four transformer blocks.
    let maps = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/maps")
    #expect(maps.count == 8)
  }
}
