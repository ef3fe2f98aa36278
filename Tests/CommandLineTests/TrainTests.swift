import CommandLineSupport
import Foundation
import TestSupport
import Testing

/// `dsd train` and `--head` as a person uses them.
@Suite struct TrainTests {
  /// A checkpoint with items of the reference images.
  private func benchmark(_ caller: String = #function) throws -> (
    graph: String, items: String, folder: String
  ) {
    let checkpoint = try Commands.importedCheckpoint("sd15", caller)
    let folder = FolderBoundary.folder(of: checkpoint)
    for name in ["a", "b"] {
      try FileManager.default.copyItem(
        atPath: Fixtures.path("reference/sd15/image-\(name).png"), toPath: "\(folder)/\(name).png")
    }
    let captions = [
      ("a red dog", "a lake"), ("two cats", "a hat"), ("the sea", "a blue car"), ("a bird", "an old tree"),
    ]
    let lines = captions.enumerated().map { place, pair in
      #"{"id":"\#(place)","task":"first","images":["a.png","b.png"],"texts":["\#(pair.0)","\#(pair.1)"],"right":[[0,0],[1,1]]}"#
    }
    let items = "\(folder)/items.jsonl"
    try lines.joined(separator: "\n").write(toFile: items, atomically: true, encoding: .utf8)
    return ("\(checkpoint)/graph.pb", items, folder)
  }

  private let sweep = ["--timesteps", "100,600"]

  /// Learned, evaluated and used; a finished run that is killed before gives the same file.
  @Test func learnsAHead() throws {
    let (graph, items, folder) = try benchmark()
    func train(_ name: String, _ more: [String], killedAfter seconds: String? = nil) throws -> Outcome {
      try Commands.run(
        "dsd",
        [
          "train", graph, "--items", items, "--method", "head:layer-weights", "-o", "\(folder)/\(name).pb",
          "--steps", "40", "--batch", "4", "--validation-share", "0.25", "--validate-every", "10", "--cache",
          "\(folder)/cache.sqlite", "--log", "\(folder)/\(name).jsonl", "--checkpoint-every", "1", "--margin",
          "2",
        ] + sweep + more, killedAfter: seconds)
    }
    let whole = try train("whole", ["--plot", "\(folder)/loss.png"])
    #expect(whole.code == 0, "\(whole.errors)")
    #expect(whole.output.contains("over the last 20 of 40 steps"), "\(whole.output)")
    #expect(whole.output.contains("written: \(folder)/whole.pb"))
    let picture = try RGBImage(contentsOf: "\(folder)/loss.png")
    #expect(picture.width == 960)
    let log = try String(contentsOfFile: "\(folder)/whole.jsonl", encoding: .utf8)
    #expect(log.split(separator: "\n").count == 40 + 5)

    // Killed again and again, at moments that differ from machine to machine.
    for seconds in ["0.2", "0.3", "0.4"] { _ = try train("cut", ["--resume"], killedAfter: seconds) }
    let resumed = try train("cut", ["--resume"])
    #expect(resumed.code == 0, "\(resumed.errors)")
    for suffix in ["pb", "jsonl"] {
      let files = try ["whole", "cut"].map {
        try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0).\(suffix)"))
      }
      #expect(files[0] == files[1], "\(suffix)")
    }

    let other = try train("cut", ["--resume", "--lr", "0.5"])
    #expect(other.code == 65)
    #expect(
      other.errorLines.count == 1 && other.errors.contains("--lr 0.01, this run has 0.5"), "\(other.errors)")

    let eval = try Commands.run(
      "dsd",
      [
        "eval", graph, "--items", items, "--results", "\(folder)/cache.sqlite", "--variants", "logsumexp",
        "--head",
        "\(folder)/whole.pb", "--head", "mean",
      ] + sweep)
    #expect(eval.code == 0, "\(eval.errors)")
    #expect(eval.output.contains("head layer-weights") && eval.output.contains("its own"), "\(eval.output)")
    let run = try Commands.run(
      "dsd-run",
      [
        graph, "--hook", "attn-score", "--image", "\(folder)/a.png", "--text", "a dog", "--text", "a cat",
        "--json",
        "--head", "\(folder)/whole.pb",
      ] + sweep)
    #expect(run.code == 0, "\(run.errors)")
    #expect(run.output.contains("\"head\" : \"layer-weights\""))
    let wrong = try Commands.run(
      "dsd-run",
      [
        graph, "--hook", "attn-score", "--image", "\(folder)/a.png", "--text", "a dog", "--head",
        "\(folder)/whole.pb", "--timesteps", "5",
      ])
    #expect(wrong.code == 65 && wrong.errors.contains("was trained with --timesteps 100,600, this run has 5"))
  }

  private struct Scores: Decodable {
    let scores: [[Double]]
  }

  /// The head `mean` is what there is without one, and importance needs no steps.
  @Test func otherHeads() throws {
    let (graph, items, folder) = try benchmark()
    let arguments =
      [
        graph, "--hook", "attn-score", "--image", "\(folder)/a.png", "--image", "\(folder)/b.png", "--text",
        "a red dog", "--text", "a lake", "--json",
      ] + sweep
    func scores(_ more: [String]) throws -> [Double] {
      let outcome = try Commands.run("dsd-run", arguments + more)
      #expect(outcome.code == 0, "\(outcome.errors)")
      return try JSONDecoder().decode(Scores.self, from: Data(outcome.output.utf8)).scores.flatMap { $0 }
    }
    let plain = try scores([])
    for (a, b) in zip(plain, try scores(["--head", "mean"])) { #expect(abs(a - b) < 1e-5 * abs(a)) }
    let made = try Commands.run("dsd", ["head", "layer-weights", "-o", "\(folder)/weights.pb"])
    #expect(made.code == 0)
    for (a, b) in zip(plain, try scores(["--head", "\(folder)/weights.pb"])) {
      #expect(abs(a - b) < 1e-5 * abs(a))
    }

    let train = try Commands.run(
      "dsd",
      [
        "train", graph, "--data", items, "--method", "head:dynamic-head-weights", "-o", "\(folder)/heads.pb",
        "--margin", "5", "--layers", "official", "--shots", "3",
      ] + sweep)
    #expect(train.code == 0, "\(train.errors)")
    #expect(train.output.contains("training: loss"))
    #expect(try scores(["--head", "\(folder)/heads.pb"]) != plain)
  }

  /// Through the whole model, from words; killed on the way it ends with the same file, which `--adapter` takes.
  @Test func learnsAnAdapter() throws {
    let (graph, items, folder) = try benchmark()
    func train(_ name: String, _ more: [String], killedAfter seconds: String? = nil) throws -> Outcome {
      try Commands.run(
        "dsd",
        [
          "train", graph, "--items", items, "--method", "prompt-tokens:2", "--init", "a dog", "-o",
          "\(folder)/\(name).safetensors", "--steps", "4", "--batch", "2", "--shots", "2",
          "--checkpoint-every", "1",
          "--log", "\(folder)/\(name).jsonl", "--margin", "5", "--lr", "0.01",
        ] + sweep + more, killedAfter: seconds)
    }
    let whole = try train("whole", [])
    #expect(whole.code == 0, "\(whole.errors)")
    for seconds in ["1", "2"] { _ = try train("cut", ["--resume"], killedAfter: seconds) }
    #expect(try train("cut", ["--resume"]).code == 0)
    for suffix in ["safetensors", "jsonl"] {
      let files = try ["whole", "cut"].map {
        try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0).\(suffix)"))
      }
      #expect(files[0] == files[1], "\(suffix)")
    }
    let run = try Commands.run(
      "dsd-run",
      [
        graph, "--hook", "attn-score", "--image", "\(folder)/a.png", "--text", "a dog", "--adapter",
        "\(folder)/whole.safetensors",
      ] + sweep)
    #expect(run.code == 0, "\(run.errors)")
  }

  @Test func refusals() throws {
    let (graph, items, folder) = try benchmark()
    func train(_ more: [String]) throws -> Outcome {
      try Commands.run("dsd", ["train", graph, "--items", items, "-o", "\(folder)/o.pb"] + more)
    }
    for (arguments, code, message) in [
      (["--method", "luck"], 64, "there is no method 'luck'"),
      (["--method", "head"], 64, "which one?"),
      (["--method", "head:mean"], 65, "nothing to learn"),
      (["--method", "head:nobody"], 65, "there is no head 'nobody'"),
      (["--method", "head:mlp", "--tasks", "x"], 65, "has no task 'x'"),
      (["--method", "head:mlp", "--score", "bias"], 65, "which --score bias does not compute"),
      (["--method", "head:mlp", "--betas", "1"], 64, "--betas"),
      (["--method", "head:mlp", "--steps", "0"], 64, "--steps"),
    ] {
      let outcome = try train(arguments)
      #expect(
        outcome.code == Int32(code) && outcome.errors.contains(message), "\(arguments): \(outcome.errors)")
    }
    #expect(try Commands.run("dsd", ["head"]).output.contains("dynamic-head-weights"))
  }
}
