import CommandLineSupport
import Foundation
import TestSupport
import Testing

/// `--adapter` and `dsd adapter` as a person uses them.
@Suite struct AdapterTests {
  @Test func adaptersChangeScores() throws {
    let checkpoint = try Commands.importedCheckpoint("sd15")
    let graph = "\(checkpoint)/graph.pb"
    let file = "\(FolderBoundary.folder(of: checkpoint))/adapter.safetensors"
    func scores(_ adapters: [String]) throws -> String {
      let outcome = try Commands.run(
        "dsd-run",
        [
          graph, "--hook", "attn-score", "--image", Fixtures.path("reference/sd15/image-a.png"), "--text",
          "a red dog", "--timesteps", "500", "--json",
        ] + adapters.flatMap { ["--adapter", $0] })
      #expect(outcome.code == 0, "\(outcome.errors)")
      return outcome.output
    }
    let plain = try scores([])
    for (adapter, changes) in [
      (["prompt-tokens:2", "--words", "a photo"], true), (["kv-tokens:2"], true), (["lora:2"], false),
      (["lora:2", "--deviation", "0.2", "--seed", "3"], true),
    ] {
      let made = try Commands.run("dsd", ["adapter", graph, "-o", file] + adapter)
      #expect(made.code == 0, "\(made.errors)")
      #expect((try scores([file]) != plain) == changes)
    }
    #expect(try scores([file, file]) != scores([file]))
    let inspected = try Commands.run("dsd", ["inspect", graph, "--adapter", file])
    #expect(inspected.code == 0)
  }

  @Test func wrongUse() throws {
    let checkpoint = try Commands.importedCheckpoint("sd15")
    let graph = "\(checkpoint)/graph.pb"
    let file = "\(FolderBoundary.folder(of: checkpoint))/adapter.safetensors"
    for spec in [
      "lora", "lora:0", "lora:x", "lora:2,targets=z", "lora:2,rank=3", "prompt:2", "kv-tokens:2,alpha=1",
    ] {
      let outcome = try Commands.run("dsd", ["adapter", graph, spec, "-o", file])
      #expect(outcome.code == 64)
      #expect(outcome.errorLines.count == 1)
    }
    let words = try Commands.run("dsd", ["adapter", graph, "lora:2", "-o", file, "--words", "a"])
    #expect(words.code == 64)
    let many = try Commands.run("dsd", ["adapter", graph, "prompt-tokens:76", "-o", file])
    #expect(many.code == 65 && many.errorLines.count == 1)
    #expect(!FileManager.default.fileExists(atPath: file))
    let weights = "\(checkpoint)/unet/diffusion_pytorch_model.safetensors"
    for path in [weights, "\(checkpoint)/none.safetensors"] {
      let outcome = try Commands.run("dsd", ["inspect", graph, "--adapter", path])
      #expect(outcome.code == 65 && outcome.errorLines.count == 1)
      #expect(outcome.errors.contains(path))
    }
  }
}
