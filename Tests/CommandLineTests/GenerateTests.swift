import CommandLineSupport
import Foundation
import TestSupport
import Testing

/// `dsd generate` as a person runs it.
@Suite struct GenerateTests {
  private let caption = "a red dog sitting next to a small green chair"

  private func generate(_ graph: String, _ arguments: [String]) throws -> Outcome {
    try Commands.run("dsd", ["generate", graph] + arguments)
  }

  private func image(_ name: String) throws -> [UInt8] {
    try SafetensorsFile(path: Fixtures.path("generation/images.safetensors")).tensor("\(name).image")
      .array(of: UInt8.self)
  }

  private func difference(_ a: [UInt8], _ b: [UInt8]) -> Double {
    guard a.count == b.count else { return .infinity }
    return Double(zip(a, b).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }) / Double(a.count)
  }

  /// The image that diffusers makes, for the checkpoint's own sampler and for a named one.
  @Test func oneImage() throws {
    let folder = try Commands.importedCheckpoint("sd21base")
    for (name, extra) in [("sd21base-euler", ["--sampler", "euler"]), ("sd21base-ddim", [])] {
      let path = "\(folder)/\(name).png"
      let outcome = try generate(
        "\(folder)/graph.pb",
        ["--text", caption, "--steps", "6", "--seed", "3", "--size", "64x64", "-o", path] + extra)
      #expect(outcome.code == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
      #expect(outcome.output == "\(path): seed 3: \(caption)\n")
      #expect(try difference(RGBImage(contentsOf: path).pixels, image(name)) <= 0.01)
    }
  }

  @Test func severalImages() throws {
    let folder = try Commands.importedCheckpoint("sd21base")
    let graph = "\(folder)/graph.pb"
    let common = ["--steps", "2", "--guidance", "1"]
    let many = try generate(
      graph,
      common + [
        "--text", "a dog", "--text", "a cat", "--count", "5", "--seed", "7", "-o", "\(folder)/many.png",
      ])
    #expect(many.code == 0, "\(many.errors)")
    let lines = many.output.split(separator: "\n")
    #expect(lines.count == 10 && lines[5] == "\(folder)/many-06.png: seed 12: a cat")
    // Any of them can be made alone.
    let one = try generate(
      graph, common + ["--text", "a cat", "--seed", "12", "-o", "\(folder)/one.png", "--threads", "1"])
    #expect(one.code == 0, "\(one.errors)")
    let alone = try RGBImage(contentsOf: "\(folder)/one.png")
    #expect(try RGBImage(contentsOf: "\(folder)/many-06.png") == alone)
    #expect(try RGBImage(contentsOf: "\(folder)/many-07.png") != alone)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("many") }.count == 10)
    // The same noise from a file.
    let noise = try Fixtures.scratch() + "/noise.npy"
    try NPYFile.write(randn(seed: 12, shape: [1, 4, 8, 8]), to: noise)
    let given = try generate(
      graph,
      common + ["--text", "a cat", "--latent", noise, "-o", "\(folder)/given.png", "--weights", folder])
    #expect(given.code == 0, "\(given.errors)")
    #expect(given.output == "\(folder)/given.png: \(noise)[0]: a cat\n")
    #expect(try RGBImage(contentsOf: "\(folder)/given.png") == alone)
    let wrong = try generate(
      graph, ["--text", "a", "--text", "b", "--latent", noise, "-o", "\(folder)/w.png"])
    #expect(wrong.code == 65)
    #expect(
      wrong.errors == "error: --latent: is float32[1, 4, 8, 8], this job needs float32[2, 4, 8, 8]\n")
  }

  @Test func negativeCaptions() throws {
    let folder = try Commands.importedCheckpoint("sd21base")
    let path = "\(folder)/out.png"
    let outcome = try generate(
      "\(folder)/graph.pb",
      [
        "--text", caption, "--negative", "a dark oil painting", "--sampler", "euler", "--steps", "4",
        "--seed", "3",
        "-o", path,
      ])
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(try difference(RGBImage(contentsOf: path).pixels, image("sd21base-negative")) <= 0.01)
    let idle = try generate(
      "\(folder)/graph.pb",
      ["--text", "a", "--negative", "b", "--guidance", "1", "--steps", "1", "-o", path])
    #expect(idle.code == 0 && idle.errors == "note: --negative has no effect with --guidance 1.0\n")
  }

  @Test func wrongUsage() throws {
    let folder = try Commands.importedCheckpoint("sd21base")
    let graph = "\(folder)/graph.pb"
    let output = ["-o", "\(folder)/out.png"]
    for (arguments, part) in [
      ([], "--text is missing"),
      (["--text", "a", "--sampler", "heun"], "heun"),
      (["--text", "a", "--steps", "0"], "--steps: 0"),
      (["--text", "a", "--steps", "many"], "many"),
      (["--text", "a", "--guidance", "nan"], "--guidance: nan"),
      (["--text", "a", "--count", "0"], "--count: 0"),
      (["--text", "a", "--size", "64"], "64"),
      (["--text", "a", "--size", "0x64"], "0x64"),
      (["--text", "a", "--seed=-1"], "-1"),
      (["--text", "a", "--threads", "0"], "--threads: 0"),
    ] as [([String], String)] {
      let outcome = try generate(graph, arguments + output)
      #expect(outcome.code == 64 && outcome.errorLines.first?.contains(part) == true, "\(outcome.errors)")
    }
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/out.png"))
  }

  @Test func badData() throws {
    let folder = try Commands.importedCheckpoint("sd21base")
    let graph = "\(folder)/graph.pb"
    func expect(
      _ graph: String, _ arguments: [String], _ parts: String...,
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let outcome = try generate(graph, ["--text", "a", "-o", "\(folder)/out.png"] + arguments)
      #expect(
        outcome.code == 65 && outcome.errorLines.count == 1, "\(outcome)", sourceLocation: sourceLocation)
      for part in parts {
        #expect(outcome.errors.contains(part), "\(outcome.errors)", sourceLocation: sourceLocation)
      }
      #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/out.png"), sourceLocation: sourceLocation)
    }
    try expect("/nowhere/graph.pb", [], "/nowhere/graph.pb", "No such file")
    try expect(
      Fixtures.path("exports/unet-sd15-legacy-14.onnx"), [], "unet-sd15-legacy-14.onnx", "is not a pipeline")
    try expect(graph, ["--steps", "1001"], "--steps: 1001 is not between 1 and 1000")
    try expect(graph, ["--size", "60x64"], "--size: 60x64", "multiples of 8")
    try expect(graph, ["--size", "72x64"], "--size 72x64")
    try expect(graph, ["--text", String(repeating: "dog ", count: 2500)], "10000 characters")
    try expect(graph, ["-o", "/nowhere/out.png"], "/nowhere/out.png", "cannot be written")
    try expect(graph, ["--latent", "/nowhere/z.npy"], "/nowhere/z.npy")
    try expect(graph, ["--weights", "/nowhere"], "/nowhere")
  }
}
