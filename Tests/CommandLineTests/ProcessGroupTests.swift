import CommandLineSupport
import Foundation
import TestSupport
import Testing

/// Evaluations and trainings that several processes of `mpirun` do together.
@Suite(.enabled(if: FileManager.default.fileExists(atPath: Commands.mpirun), "mpirun is not installed"))
struct ProcessGroupTests {
  private func benchmark(_ items: Int, _ caller: String = #function) throws -> (
    graph: String, items: String, folder: String
  ) {
    let checkpoint = try Commands.importedCheckpoint("sd15", caller)
    let folder = FolderBoundary.folder(of: checkpoint)
    for name in ["a", "b"] {
      try FileManager.default.copyItem(
        atPath: Fixtures.path("reference/sd15/image-\(name).png"), toPath: "\(folder)/\(name).png")
    }
    let lines = (0..<items).map {
      #"{"id":"\#($0)","task":"t","images":["a.png","b.png"],"texts":["a dog \#($0)","cat"],"right":[[0,0],[1,1]]}"#
    }
    let path = "\(folder)/items.jsonl"
    try lines.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
    return ("\(checkpoint)/graph.pb", path, folder)
  }

  /// Two and three processes give the file and the table of one; a part that was left by a job of more processes is
  /// taken, and a second time nothing runs.
  @Test func evaluation() throws {
    let (graph, items, folder) = try benchmark(7)
    func eval(_ name: String, _ processes: Int?, _ more: [String] = []) throws -> Outcome {
      try Commands.run(
        "dsd",
        ["eval", graph, "--items", items, "--samples", "2", "--results", "\(folder)/\(name).sqlite"] + more,
        processes: processes)
    }
    let one = try eval("one", nil)
    #expect(one.code == 0, "\(one.errors)")
    let contents = try ResultsContents.all("\(folder)/one.sqlite")
    for processes in [2, 3] {
      let several = try eval("of-\(processes)", processes)
      #expect(several.code == 0, "\(several.errors)")
      #expect(several.output == one.output)
      #expect(try ResultsContents.all("\(folder)/of-\(processes).sqlite") == contents)
    }
    // What was left: two items in the file itself, one with rank 1, one with a rank that is not there any more.
    for (name, shard) in [("left", "1/4"), ("left.sqlite.rank-1", "2/4"), ("left.sqlite.rank-5", "3/4")] {
      #expect(try eval(name, nil, ["--shard", shard]).code == 0)
      if name != "left" {
        try FileManager.default.moveItem(atPath: "\(folder)/\(name).sqlite", toPath: "\(folder)/\(name)")
      }
    }
    let rest = try eval("left", 2)
    #expect(rest.code == 0 && rest.output == one.output, "\(rest.errors)")
    #expect(rest.errors == "note: 6 of 7 items are known already\n")
    #expect(try ResultsContents.all("\(folder)/left.sqlite") == contents)
    let names = try FileManager.default.contentsOfDirectory(atPath: folder)
    #expect(!names.contains { $0.contains(".rank-") || $0.contains(".from-") }, "\(names)")
    #expect(try eval("left", 2).errors == "note: 7 of 7 items are known already\n")
  }

  /// A process that is killed ends the others, and the next start brings all to the same end.
  @Test func killedProcess() throws {
    let (graph, items, folder) = try benchmark(16)
    func arguments(_ name: String) -> [String] {
      ["eval", graph, "--items", items, "--samples", "8", "--results", "\(folder)/\(name).sqlite"]
    }
    let whole = try Commands.run("dsd", arguments("whole"))
    #expect(whole.code == 0, "\(whole.errors)")
    // The process that has made its own file is killed as soon as it holds something.
    let killer = Process()
    killer.executableURL = URL(fileURLWithPath: "/bin/sh")
    killer.arguments = [
      "-c",
      """
      for i in $(seq 200); do
        [ "$(stat -c %s \(folder)/part.sqlite.rank-1-wal 2>/dev/null || echo 0)" -gt 100000 ] && break; sleep 0.02
      done
      for p in /proc/[0-9]*; do
        tr '\\0' '\\n' < $p/environ 2>/dev/null | grep -q '^OMPI_COMM_WORLD_RANK=1$' || continue
        tr '\\0' ' ' < $p/cmdline | grep -q '\(folder)/part.sqlite' && kill -9 ${p#/proc/}
      done
      """,
    ]
    try killer.run()
    let killed = try Commands.run("dsd", arguments("part"), processes: 2)
    killer.waitUntilExit()
    #expect(killed.code != 0 && killed.errors.contains("rank 1"), "\(killed.errors)")
    let rest = try Commands.run("dsd", arguments("part"), processes: 2)
    #expect(rest.code == 0 && rest.output == whole.output, "\(rest.errors)")
    #expect(rest.errors.contains("of 16 items are known already"))
    #expect(
      try ResultsContents.all("\(folder)/part.sqlite") == ResultsContents.all("\(folder)/whole.sqlite"))
  }

  private struct Step: Decodable {
    let loss: Double?
    let accuracy: Double?
    let validation_loss: Double?
  }

  /// Losses are those of one process with the same batch, and a run that was ended goes on.
  @Test(arguments: ["prompt-tokens:2", "lora:2", "head:layer-weights"]) func training(_ method: String) throws
  {
    let (graph, items, folder) = try benchmark(6, "training-\(method.prefix(4))")
    func train(_ name: String, _ processes: Int?, _ more: [String] = []) throws -> [Step] {
      let outcome = try Commands.run(
        "dsd",
        [
          "train", graph, "--items", items, "--method", method, "-o", "\(folder)/\(name).out", "--batch", "5",
          "--validation-share", "0.34", "--validate-every", "2", "--timesteps", "100,600", "--log",
          "\(folder)/\(name).jsonl", "--cache", "\(folder)/\(name).cache", "--margin", "5", "--steps", "4",
          "--checkpoint-every", "1",
        ] + more, processes: processes)
      #expect(outcome.code == 0, "\(outcome.errors)")
      return try String(contentsOfFile: "\(folder)/\(name).jsonl", encoding: .utf8).split(separator: "\n").map
      {
        try JSONDecoder().decode(Step.self, from: Data($0.utf8))
      }
    }
    let one = try train("one", nil)
    let two = try train("two", 2)
    #expect(one.count == 4 + 3 && two.count == one.count)
    for (a, b) in zip(one, two) {
      #expect(a.accuracy == b.accuracy)
      let (x, y) = (a.loss ?? a.validation_loss ?? .nan, b.loss ?? b.validation_loss ?? .nan)
      #expect(abs(x - y) <= 1e-5 * abs(x), "\(x) and \(y)")
    }
    // Once more from its checkpoint, at its end: the same file.
    let before = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/two.out"))
    #expect(try train("two", 2, ["--resume"]).count == two.count)
    #expect(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/two.out")) == before)
  }

  /// Bad rows are told as one process tells them.
  @Test func badImages() throws {
    let (graph, items, folder) = try benchmark(4)
    var lines = try String(contentsOfFile: items, encoding: .utf8).split(separator: "\n").map(String.init)
    for place in [0, 1, 3] {
      lines[place].replace("a.png", with: "bad-\(place).png")
      try Data((place == 0 ? "no image" : place == 1 ? "" : "\u{89}PNG").utf8).write(
        to: URL(fileURLWithPath: "\(folder)/bad-\(place).png"))
    }
    try lines.joined(separator: "\n").write(toFile: items, atomically: true, encoding: .utf8)
    func eval(_ name: String, _ processes: Int?) throws -> Outcome {
      try Commands.run(
        "dsd",
        [
          "eval", graph, "--items", items, "--samples", "1", "--skip-bad", "--results",
          "\(folder)/\(name).sqlite",
        ],
        processes: processes)
    }
    let (one, two) = (try eval("one", nil), try eval("two", 2))
    #expect(one.code == 0 && one.errors.contains("3 bad rows left out"), "\(one.errors)")
    #expect(two.output == one.output && two.errors.contains(one.errors), "\(two.errors)")
  }

  /// Options that do not go together end the job with one line of each process.
  @Test func refusals() throws {
    let (graph, items, folder) = try benchmark(2)
    for (arguments, message) in [
      (["eval", graph, "--items", items], "mpirun: needs --results"),
      (
        ["eval", graph, "--items", items, "--results", "\(folder)/r.sqlite", "--shard", "1/2"],
        "mpirun: --shard is for processes that do not know of each other"
      ),
      (
        ["train", graph, "--items", items, "--method", "head:mlp", "-o", "\(folder)/o.pb"],
        "mpirun: --method head needs --cache"
      ),
    ] {
      let outcome = try Commands.run("dsd", arguments, processes: 2)
      #expect(outcome.code != 0 && outcome.errors.contains(message), "\(outcome.errors)")
    }
  }
}
