import CommandLineSupport
import Foundation
import TestSupport
import Testing

/// `dsd eval` as a person runs it.
@Suite struct EvalTests {
  private struct Scores: Decodable {
    struct PerTimestep: Decodable { let attention, bias: [[[Double]]] }
    let per_timestep: PerTimestep
    let layers: [String]
  }

  /// A checkpoint with two items of the reference images.
  private func benchmark(_ kind: String, _ lines: [String]? = nil) throws -> (graph: String, items: String) {
    let checkpoint = try Commands.importedCheckpoint(kind)
    let folder = FolderBoundary.folder(of: checkpoint)
    for name in ["a", "b"] {
      try FileManager.default.copyItem(
        atPath: Fixtures.path("reference/\(kind)/image-\(name).png"), toPath: "\(folder)/\(name).png")
    }
    let items = "\(folder)/items.jsonl"
    let own = [
      #"{"id":"x","task":"first","images":["a.png","b.png"],"texts":["a red dog","a lake | two"],"right":[[0,0],[1,1]]}"#,
      #"{"id":"y","task":"second","images":["a.png"],"texts":["a dog","a cat","a hat"],"right":[[0,1]],"held_out":true}"#,
    ]
    try (lines ?? own).joined(separator: "\n").write(toFile: items, atomically: true, encoding: .utf8)
    return ("\(checkpoint)/graph.pb", items)
  }

  /// The terms in the results file are those that dsd-run prints, bit for bit.
  @Test(arguments: ["logsumexp", "cosine"]) func termsOfRun(_ pooling: String) throws {
    let (graph, items) = try benchmark("sd15")
    let folder = FolderBoundary.folder(of: items)
    let results = "\(folder)/r.sqlite"
    let options = ["--timesteps", "20,500", "--seed", "4"]
    let eval = try Commands.run(
      "dsd",
      ["eval", graph, "--dataset", "pairs", "--items", items, "--results", results, "--tasks", "first"]
        + options)
    #expect(eval.code == 0, "\(eval.errors)")
    let run = try Commands.run(
      "dsd-run",
      [
        graph, "--hook", "attn-score", "--image", "\(folder)/a.png", "--image", "\(folder)/b.png", "--text",
        "a red dog", "--text", "a lake | two", "--json", "--layers", "all", "--pooling", pooling,
      ] + options)
    let scores = try JSONDecoder().decode(Scores.self, from: Data(run.output.utf8))
    let rows = try ResultsContents.rows(
      results,
      """
      SELECT i.id, c.text, l.timestep, q.name, t.value FROM terms t JOIN images i ON i.id = t.image
      JOIN captions c ON c.id = t.caption JOIN levels l ON l.id = t.level JOIN quantities q ON q.id = t.quantity
      """)
    // By image, caption, timestep and quantity; images in the order in which they came.
    var terms: [String: [Double]] = [:]
    for row in rows { terms[row.texts.prefix(4).joined(separator: "|")] = row.numbers }
    #expect(
      try ResultsContents.rows(results, "SELECT layers FROM models").map { $0.texts[0] }
        == [String(decoding: JSONEncoder().encode(scores.layers), as: UTF8.self)])
    for (image, captions) in scores.per_timestep.attention.enumerated() {
      for (text, steps) in captions.enumerated() {
        for (step, attention) in steps.enumerated() {
          let caption = ["a red dog", "a lake | two"][text]
          let level = ["20", "500"][step]
          let layers = try #require(terms["\(image + 1)|\(caption)|\(level)|attention \(pooling)"])
          #expect(layers.reduce(0, +) / Double(layers.count) == attention)
          let error = try #require(terms["\(image + 1)|\(caption)|\(level)|error"])[0]
          let empty = try #require(terms["\(image + 1)||\(level)|error"])[0]
          #expect(empty - error == scores.per_timestep.bias[image][text][step])
        }
      }
    }
  }

  @Test func outputs() throws {
    let (graph, items) = try benchmark("sd21base")
    let folder = FolderBoundary.folder(of: items)
    let outcome = try Commands.run(
      "dsd",
      [
        "eval", graph, "--items", items, "--samples", "1", "--markdown", "\(folder)/t.md", "--json",
        "\(folder)/t.json", "--variants", "max,mass@content/empty-caption", "--layers", "all", "--layers",
        "mid_block.*",
      ])
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(outcome.errors.isEmpty)
    #expect(outcome.output.contains("timesteps: 500; noise: seed 0; latent: mean"))
    #expect(outcome.output.contains("second (held out): 1 items"))
    #expect(outcome.output.contains("both       mass@content/empty-caption  mid_block.*"))
    let markdown = try String(contentsOfFile: "\(folder)/t.md", encoding: .utf8)
    let rows = markdown.split(separator: "\n").filter { $0.hasPrefix("| ") }
    // A header, a rule and nine rows in each of two tables.
    #expect(rows.count == 22)
    #expect(
      rows[0] == "| term | attention | layers | captions for an image | ties | images for a caption | ties |")
    struct Summary: Decodable {
      struct Table: Decodable {
        struct Group: Decodable {
          struct Section: Decodable {
            struct Result: Decodable {
              struct Proportion: Decodable { let value, low, high: Double }
              let accuracy: Proportion
              let ties: Int
            }
            let direction: String
            let questions: Int
            let results: [Result]
          }
          let task: String
          let held_out: Bool
          let directions: [Section]
        }
        struct Choice: Decodable {
          let term: String
          let pooling, positions, normalize, layers: String?
        }
        let choices: [Choice]
        let groups: [Group]
      }
      let timesteps: [Int]
      let layers: [String: [String]]
      let table: Table
    }
    let summary = try JSONDecoder().decode(
      Summary.self, from: Data(contentsOf: URL(fileURLWithPath: "\(folder)/t.json")))
    #expect(summary.timesteps == [500])
    #expect(summary.layers["mid_block.*"] == ["mid_block.attentions.0.transformer_blocks.0.attn2"])
    #expect(summary.table.choices.count == 9)
    #expect(summary.table.choices[0].term == "bias" && summary.table.choices[0].pooling == nil)
    #expect(
      summary.table.choices[3].pooling == "mass" && summary.table.choices[3].normalize == "empty-caption")
    #expect(summary.table.groups.map(\.task) == ["first", "second"])
    #expect(summary.table.groups.map(\.held_out) == [false, true])
    #expect(summary.table.groups[0].directions.map(\.questions) == [2, 2])
    #expect(summary.table.groups[1].directions.map(\.questions) == [1])
  }

  /// Killed at any moment, a run is brought to the same end.
  @Test func killed() throws {
    let lines = (0..<12).map {
      #"{"id":"\#($0)","task":"t","images":["a.png","b.png"],"texts":["a dog \#($0)","cat"],"right":[[0,0],[1,1]]}"#
    }
    let (graph, items) = try benchmark("sd15", lines)
    let folder = FolderBoundary.folder(of: items)
    func arguments(_ name: String) -> [String] {
      [
        "eval", graph, "--items", items, "--samples", "2", "--results", "\(folder)/\(name).sqlite", "--json",
        "-",
      ]
    }
    let whole = try Commands.run("dsd", arguments("whole"))
    #expect(whole.code == 0, "\(whole.errors)")
    for seconds in ["0.1", "0.25", "0.4"] {
      let killed = try Commands.run("dsd", arguments("part"), killedAfter: seconds)
      #expect(killed.code == 0 || killed.code == -9 || killed.code == 137)
    }
    let rest = try Commands.run("dsd", arguments("part"))
    #expect(rest.code == 0, "\(rest.errors)")
    #expect(rest.output == whole.output)
    let contents = try ["whole", "part"].map { try ResultsContents.all("\(folder)/\($0).sqlite") }
    #expect(contents[0] == contents[1])
    let again = try Commands.run("dsd", arguments("part"))
    // Shards of the same run, put together.
    for shard in 1...3 {
      let part = try Commands.run(
        "dsd",
        [
          "eval", graph, "--items", items, "--samples", "2", "--results", "\(folder)/shard-\(shard).sqlite",
          "--shard", "\(shard)/3",
        ])
      #expect(part.output == "shard \(shard)/3: 4 items run, kept in \(folder)/shard-\(shard).sqlite\n")
    }
    let merge = try Commands.run(
      "dsd", ["merge"] + (1...3).map { "\(folder)/shard-\($0).sqlite" } + ["-o", "\(folder)/merged.sqlite"])
    #expect(merge.code == 0 && merge.errors.isEmpty, "\(merge.errors)")
    #expect(try ResultsContents.all("\(folder)/merged.sqlite") == contents[0])
    #expect(try Commands.run("dsd", arguments("merged")).output == whole.output)
    #expect(again.errors == "note: 12 of 12 items are known already\n")
    #expect(again.output == whole.output)
  }

  @Test func wrongUse() throws {
    let (graph, items) = try benchmark("sd15")
    let base = ["eval", graph, "--items", items, "--samples", "1"]
    for (extra, code, text) in [
      (["--limit", "0"], Int32(64), "--limit"), (["--variants", "median"], 64, "median"),
      (["--variants", "max/none-such"], 64, "none-such"), (["--variants", "mass"], 64, "mass@content"),
      (["--markdown", "-", "--json", "-"], 64, "standard output"),
      (["--results", "r.sqlite", "--json", "./r.sqlite"], 64, "--json: ./r.sqlite is the file of --results"),
      (["--dataset", "coco"], 64, "coco"),
      (["--tasks", "third"], 65, "first, second"), (["--layers", "nothing.*"], 65, "nothing.*"),
      (["--timesteps", "5000"], 65, "5000"), (["--results", "/nowhere/r.sqlite"], 65, "/nowhere/r.sqlite"),
      (["--images", "/nowhere"], 65, "/nowhere"), (["--json", "/nowhere/t.json"], 65, "/nowhere/t.json"),
    ] {
      let outcome = try Commands.run("dsd", base + extra)
      #expect(outcome.code == code, "\(extra): \(outcome.errors)")
      #expect(outcome.errors.contains(text), "\(outcome.errors)")
      #expect(outcome.output.isEmpty)
    }
  }

  @Test func badItems() throws {
    let (graph, items) = try benchmark("sd15")
    for (line, reason) in [
      (
        #"{"id":"z","task":"t","images":["c.png"],"texts":["t","u"],"right":[[0,0]]}"#,
        "No such file or directory"
      ),
      (
        #"{"id":"z","task":"t","images":["../a.png"],"texts":["t","u"],"right":[[0,0]]}"#, "not a path inside"
      ),
      (
        #"{"id":"z","task":"t","images":["a.png#xywh=0,0,9999,1"],"texts":["t","u"],"right":[[0,0]]}"#,
        "not inside the image"
      ),
      (#"{"id":"z","task":"t","images":["a.png"],"texts":["t"]}"#, "'right' is missing"),
    ] {
      try line.write(toFile: items, atomically: true, encoding: .utf8)
      let outcome = try Commands.run("dsd", ["eval", graph, "--items", items, "--samples", "1"])
      #expect(outcome.code == 65)
      #expect(outcome.errorLines.count == 1)
      #expect(outcome.errors.hasPrefix("error: \(items):1: "), "\(outcome.errors)")
      #expect(outcome.errors.contains(reason), "\(outcome.errors)")
    }
  }
}

/// `dsd eval --dataset` on miniatures of published datasets, with the sample model.
@Suite struct DatasetCommandTests {
  private struct Summary: Decodable {
    struct Bad: Decodable { let place, reason: String }
    struct Table: Decodable {
      struct Group: Decodable {
        struct Section: Decodable {
          struct Result: Decodable { let accuracy: Value, all_right: Value? }
          let direction: String
          let questions: Int
          let results: [Result?]
        }
        struct Value: Decodable { let value: Double }
        let task: String
        let category: String?
        let items: Int
        let directions: [Section]
        let group: [Value?]?
      }
      let groups: [Group]
    }
    let items: String
    let bad: [Bad]
    let table: Table
  }

  private func eval(_ arguments: [String]) throws -> (summary: Summary?, outcome: Outcome) {
    let outcome = try Commands.run(
      "dsd",
      [
        "eval", "\(Fixtures.repository)/Graphs/sample/graph.pb", "--samples", "1", "--variants", "logsumexp",
        "--json", "-",
      ] + arguments)
    return (try? JSONDecoder().decode(Summary.self, from: Data(outcome.output.utf8)), outcome)
  }

  @Test(arguments: [
    ("comvg", 6), ("refcocog", 12), ("vqa-other", 3), ("vqa-binary", 12), ("winoground", 3), ("aro", 2),
    ("sugarcrepe", 6), ("vl-checklist", 4), ("imagefolder", 12),
  ])
  func runs(_ name: String, _ items: Int) throws {
    let (summary, outcome) = try eval(["--dataset", name, "--root", Fixtures.path("datasets/\(name)")])
    #expect(outcome.code == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
    let table = try #require(summary).table
    #expect(table.groups[0].items == items && table.groups[0].category == nil)
    // The sample model knows these scenes: it does better than guessing.
    let section = table.groups[0].directions[0]
    #expect(section.questions >= items && section.results.allSatisfy { $0 != nil })
    if name == "comvg" { #expect(section.results[0]!.accuracy.value > 0.5) }
    // Of six classes.
    if name == "imagefolder" { #expect(section.results[0]!.accuracy.value > 2.0 / 6) }
    if name == "winoground" { #expect(table.groups[0].group?.count == section.results.count) }
  }

  /// A damaged or missing image names its row; with `--skip-bad` the others are what they were.
  @Test func badImages() throws {
    let folder = try Fixtures.scratch() + "/comvg"
    try FileManager.default.copyItem(atPath: Fixtures.path("datasets/comvg"), toPath: folder)
    let options = ["--dataset", "comvg", "--root", folder]
    let jpeg = "\(folder)/2350003.jpg"
    let bytes = try Data(contentsOf: URL(fileURLWithPath: jpeg))
    try (bytes.prefix(300) + Data(count: 40)).write(to: URL(fileURLWithPath: jpeg))
    let damaged = try eval(options).outcome
    #expect(damaged.code == 65 && damaged.errorLines.count == 1)
    #expect(damaged.errors.contains("compositional_visual_genome.csv:3: "), "\(damaged.errors)")
    #expect(damaged.errors.contains("2350003.jpg"), "\(damaged.errors)")
    try FileManager.default.removeItem(atPath: "\(folder)/2350008.jpg")
    let missing = try eval(options).outcome
    #expect(
      missing.code == 65 && missing.errors.contains("compositional_visual_genome.csv:6: "),
      "\(missing.errors)")

    let results = ["--results", "\(folder)/r.sqlite"]
    let (summary, outcome) = try eval(options + ["--skip-bad"] + results)
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(summary?.bad.map { $0.place.suffix(5) }.sorted() == ["csv:3", "csv:6"])
    #expect(summary?.table.groups[0].items == 4)
    #expect(outcome.errors.contains("2 bad rows left out"), "\(outcome.errors)")
    // Again from the results: the same table.
    #expect(try eval(options + ["--skip-bad"] + results).outcome.output == outcome.output)
  }

  /// What a run would take is told without a results file.
  @Test func dryRun() throws {
    let results = try Fixtures.scratch() + "/r.sqlite"
    let arguments = ["--dataset", "vqa-other", "--root", Fixtures.path("datasets/vqa-other")]
    // One timestep: ten, ten and nine captions with the empty one.
    let first = try eval(arguments + ["--dry-run"]).outcome
    #expect(
      first.code == 0 && first.output.hasPrefix("3 items to run, 32 passes of the UNet, "), "\(first.output)")
    #expect(first.output.contains("passes/s, about") && first.output.contains("of weights"))
    _ = try eval(arguments + ["--results", results])
    let known = try eval(arguments + ["--results", results, "--dry-run"]).outcome
    #expect(known.output.hasPrefix("0 items to run, 0 passes of the UNet\n"), "\(known.output)")
  }

  @Test func refusals() throws {
    for (arguments, reason) in [
      (["--dataset", "imagenet", "--root", "/"], "'imagenet' is not pairs, comvg"),
      (["--dataset", "comvg"], "needs --root"), (["--root", "/"], "Missing expected argument '--items"),
      (["--dataset", "comvg", "--root", "/", "--items", "x"], "--dataset comvg has --root"),
      (
        [
          "--dataset", "imagefolder", "--root", Fixtures.path("datasets/imagefolder"), "--template",
          "a thing",
        ],
        "has no {} for the class's name"
      ),
      (
        ["--dataset", "comvg", "--root", Fixtures.path("datasets/comvg"), "--tasks", "colour"],
        "has no task 'colour'; it has comvg, subject, object, verb"
      ),
    ] {
      let outcome = try eval(arguments).outcome
      #expect(outcome.code != 0 && outcome.errors.contains(reason), "\(outcome.errors)")
    }
  }
}
