import CommandLineSupport
import Foundation
import TestSupport
import Testing

/// `dsd report` on what `dsd eval` has kept.
@Suite struct ReportTests {
  /// Items whose captions would be markup, with classes of three captions, and their results.
  private func results(_ caller: String = #function) throws -> (graph: String, items: String, results: String)
  {
    let checkpoint = try Commands.importedCheckpoint("sd15", caller)
    let folder = FolderBoundary.folder(of: checkpoint)
    for name in ["a", "b"] {
      try FileManager.default.copyItem(
        atPath: Fixtures.path("reference/sd15/image-\(name).png"), toPath: "\(folder)/\(name).png")
    }
    let items = "\(folder)/items.jsonl"
    try [
      #"{"id":"<b>x</b>","task":"pairs & more","images":["a.png","b.png"],"texts":["a <script>alert(1)</script> dog","say \"cheese\", it's 50 %"],"right":[[0,0],[1,1]]}"#,
      #"{"id":"y","task":"classes","images":["a.png"],"texts":["a dog","a cat","a hat"],"right":[[0,1]],"held_out":true}"#,
      #"{"id":"z","task":"classes","images":["b.png"],"texts":["a hat","a dog","a cat"],"right":[[0,0]],"held_out":true}"#,
    ].joined(separator: "\n").write(toFile: items, atomically: true, encoding: .utf8)
    let graph = "\(checkpoint)/graph.pb"
    let eval = try Commands.run(
      "dsd",
      [
        "eval", graph, "--items", items, "--samples", "3", "--results", "\(folder)/r.sqlite", "--variants",
        "max,mean",
      ])
    #expect(eval.code == 0, "\(eval.errors)")
    return (graph, items, "\(folder)/r.sqlite")
  }

  private static let empty: Set<String> = ["meta", "link", "img"]

  /// Every tag of a page that is opened is closed, in order; gives the names.
  private func tags(_ page: String) -> Set<String> {
    var open: [String] = []
    var seen: Set<String> = []
    for match in page.matches(of: /<(\/?)([a-zA-Z0-9]+)((?:[^>"]|"[^"]*")*)>/) {
      let name = String(match.2).lowercased()
      seen.insert(name)
      if match.1 == "/" {
        #expect(open.last == name, "</\(name)> where \(open.last ?? "nothing") is open")
        if open.last == name { open.removeLast() }
      } else if !match.3.hasSuffix("/"), !ReportTests.empty.contains(name) {
        open.append(name)
      }
    }
    #expect(open.isEmpty, "\(open)")
    return seen
  }

  /// One page that asks for nothing outside itself, with pictures, figures and everything escaped.
  @Test func page() throws {
    let (graph, _, results) = try results()
    let path = (results as NSString).deletingPathExtension + ".html"
    let report = try Commands.run("dsd", ["report", results, "--graph", graph, "--items", "2"])
    #expect(report.code == 0 && report.errors.isEmpty, "\(report.errors)")
    #expect(report.output == "written: \(path)\n")
    let page = try String(contentsOfFile: path, encoding: .utf8)
    let tags = tags(page)
    #expect(tags.isSuperset(of: ["svg", "table", "img", "figure"]) && !tags.contains("script"))
    for match in page.matches(of: /(?:src|href|url)\s*[=(]\s*"?([^"\s>)]*)/) {
      #expect(match.1.hasPrefix("data:") || match.1.hasPrefix("#"), "\(match.1.prefix(60))")
    }
    #expect(!page.contains("://"))
    #expect(
      page.contains("a &lt;script&gt;alert(1)&lt;/script&gt; dog") && page.contains("&lt;b&gt;x&lt;/b&gt;"))
    #expect(page.contains("say &quot;cheese&quot;, it&#39;s 50 %"))
    // The classes' captions come in another order with each item: one matrix all the same.
    #expect(page.contains("classes: right captions down") && page.contains("3. a hat"))
    #expect(page.contains("what each word of “a cat” looks at"))
    #expect(page.contains("prefers-color-scheme: dark"))
    #expect(page.contains("number 1 of the results file"))
    // Another picture under the same name is not shown for it.
    try FileManager.default.removeItem(atPath: "\((results as NSString).deletingLastPathComponent)/a.png")
    try RGBImage(width: 2, height: 2, pixels: [UInt8](repeating: 9, count: 12)).writePNG(
      to: "\((results as NSString).deletingLastPathComponent)/a.png")
    let other = try Commands.run("dsd", ["report", results, "-o", "-"])
    #expect(other.code == 0 && other.errors.contains("are not those that were scored"), "\(other.errors)")
    // Without the model there are no maps; without the images' folder their names.
    let bare = try Commands.run("dsd", ["report", results, "-o", "-", "--images", "/nowhere", "--row", "1"])
    #expect(bare.code == 0 && bare.errors.contains("there is no folder /nowhere"))
    #expect(!bare.output.contains("<img") && bare.output.contains("a.png"))
  }

  /// The tables are those of dsd eval, for what the run had and for what is asked afterwards.
  @Test func formats() throws {
    let (graph, items, results) = try results()
    let folder = FolderBoundary.folder(of: results)
    for options in [[], ["--variants", "max/empty-caption", "--layers", "*up_blocks*"]] {
      let eval = try Commands.run(
        "dsd",
        ["eval", graph, "--items", items, "--samples", "3", "--results", results, "--markdown", "-"]
          + (options.isEmpty ? ["--variants", "max,mean"] : options))
      #expect(eval.errors == "note: 3 of 3 items are known already\n", "\(eval.errors)")
      // The first run's terms, whatever was asked later.
      let report = try Commands.run(
        "dsd", ["report", results, "--run", "1", "--format", "markdown"] + options)
      #expect(report.code == 0, "\(report.errors)")
      func tables(_ text: String) -> [String] {
        text.split(separator: "\n").filter { !$0.hasPrefix("- ") }.map(String.init)
      }
      #expect(tables(report.output) == tables(eval.output))
    }
    let runs = try Commands.run("dsd", ["report", results, "--list"])
    #expect(runs.output.split(separator: "\n").count == 3, "\(runs.output)")

    let csv = try Commands.run(
      "dsd", ["report", results, "--run", "1", "--format", "csv", "-o", "\(folder)/t.csv"])
    #expect(csv.code == 0)
    let lines = try String(contentsOfFile: "\(folder)/t.csv", encoding: .utf8).split(separator: "\n")
    // Nine rows; of the pairs two directions with two metrics, of the classes one with one.
    #expect(lines.count == 1 + 9 * (2 * 2 + 1) + 9, "\(lines.count)")
    #expect(
      lines.dropFirst().allSatisfy { $0.split(separator: ",", omittingEmptySubsequences: false).count == 17 })
    let latex = try Commands.run("dsd", ["report", results, "--run", "1", "--format", "latex"])
    #expect(latex.output.contains("pairs \\& more, text") && latex.output.contains("\\bottomrule"))
    let rows = latex.output.split(separator: "\n").filter { $0.hasSuffix("\\\\") }
    #expect(rows.count == 1 + 9 + 1 && rows.allSatisfy { $0.split(separator: " & ").count == 4 })

    let scores = try Commands.run(
      "dsd", ["report", results, "--run", "1", "--format", "jsonl", "--score", "bias"])
    struct Line: Decodable {
      let id: String
      let scores: [String: [[Double]]]
    }
    let decoded = try scores.output.split(separator: "\n").map {
      try JSONDecoder().decode(Line.self, from: Data($0.utf8))
    }
    #expect(decoded.map(\.id) == ["<b>x</b>", "y", "z"] && decoded[0].scores["bias"]?.count == 2)
  }

  @Test func refusals() throws {
    let (_, _, results) = try results()
    let folder = FolderBoundary.folder(of: results)
    // Another checkpoint beside the run's.
    try FileManager.default.copyItem(atPath: Fixtures.path("checkpoints/sd21base"), toPath: "\(folder)/other")
    #expect(try Commands.run("dsd", ["import", "\(folder)/other"]).code == 0)
    for (arguments, code, message) in [
      (["\(folder)/none.sqlite"], 65, "none.sqlite: No such file"),
      (["\(folder)/items.jsonl"], 65, "not a results file"),
      ([results, "--run", "7"], 65, "has no run 7; it has 1"),
      ([results, "--timesteps", "3"], 65, "the run has no 3"),
      ([results, "--variants", "cosine"], 65, "attention cosine"),
      ([results, "--row", "40"], 64, "--row: 40"),
      ([results, "--variants", "median"], 64, "median"), ([results, "--tasks", "none"], 65, "--tasks"),
      ([results, "-o", "/nowhere/r.html"], 65, "/nowhere/r.html"),
      ([results, "-o", results], 64, "is the file of --results"),
      ([results, "--graph", "\(folder)/other/graph.pb"], 65, "is not the model of the run"),
      ([results, "--normalize", "noise"], 64, "--variants"),
    ] {
      let outcome = try Commands.run("dsd", ["report"] + arguments)
      #expect(
        outcome.code == Int32(code) && outcome.errors.contains(message), "\(arguments): \(outcome.errors)")
      #expect(outcome.errorLines.count == 1 || code == 64)
    }
  }
}
