import CommandLineSupport
import Foundation
import TestSupport
import Testing

/// What `dsd-run` tells about any graph: its inputs, its outputs, where the time went.
@Suite struct RunnerTests {
  /// `y = relu(x + b)`, `big = y > limit`, in scopes `net/first` and `net/second`.
  private func graph(_ folder: String) throws -> String {
    var graph = Graph(name: "small", opsets: ["": 20])
    graph.inputs = [
      ValueInfo("x", TensorType(.float32, ["batch", 3])), ValueInfo("limit", TensorType(.float32, [])),
      ValueInfo("b", TensorType(.float32, [3])),
    ]
    graph.initializers["b"] = Initializer(Tensor([Float(1), 1, 1], shape: [3]))
    graph.outputs = [ValueInfo("y", nil), ValueInfo("big", TensorType(.bool, ["batch", 3]))]
    graph.nodes = [
      Node("Add", name: "net/first/sum", inputs: ["x", "b"], outputs: ["s"]),
      Node("Relu", name: "net/first/relu", inputs: ["s"], outputs: ["y"]),
      Node("Greater", name: "net/second/compare", inputs: ["y", "limit"], outputs: ["big"]),
    ]
    try GraphWriter.write(graph, to: "\(folder)/g.onnx")
    return "\(folder)/g.onnx"
  }

  @Test func missingInputsAreListed() throws {
    let graph = try graph(try Fixtures.scratch())
    let outcome = try Commands.run("dsd-run", [graph, "--input", "limit=1"])
    #expect(outcome.code == 65 && outcome.output.isEmpty)
    let lines = outcome.errorLines
    #expect(lines[0] == "error: \(graph): missing input 'x'")
    #expect(lines.dropFirst().allSatisfy { $0.hasPrefix("  ") })
    #expect(lines.contains { $0.contains("x ") && $0.contains("float32  [batch, 3]  missing") })
    #expect(lines.contains { $0.contains("limit") && $0.hasSuffix("given") })
    #expect(lines.contains { $0.hasPrefix("  b ") && $0.hasSuffix("optional") })
    #expect(
      lines.contains { $0.contains("--input NAME=VALUE") } && lines.contains { $0.contains("FILE.npy") })
    #expect(lines.contains { $0.contains("batch") && $0.contains("--dim") })
    // An output that needs nothing but x wants nothing else.
    let part = try Commands.run("dsd-run", [graph, "--input", "x=[[1,2,3]]", "--output", "s=/dev/null"])
    #expect(part.code == 0, "\(part.errors)")
    #expect(try Commands.run("dsd-run", [graph]).errorLines[0].hasSuffix("missing inputs 'x', 'limit'"))
  }

  @Test func wrongNames() throws {
    let graph = try graph(try Fixtures.scratch())
    let input = try Commands.run("dsd-run", [graph, "--input", "limits=1"])
    #expect(input.code == 65)
    #expect(input.errorLines[0].hasSuffix("has no value 'limits' to feed; did you mean 'limit'?"))
    #expect(input.errors.contains("float32  [batch, 3]"))
    let output = try Commands.run("dsd-run", [graph, "--fill", "ones", "--output", "bigg=/dev/null"])
    #expect(output.code == 65)
    #expect(output.errorLines[0].hasSuffix("has no value 'bigg' to write; did you mean 'big'?"))
    #expect(output.errors.contains("bool"))
    let far = try Commands.run("dsd-run", [graph, "--input", "something-else=1"])
    #expect(!far.errors.contains("did you mean"))
  }

  @Test func summary() throws {
    let graph = try graph(try Fixtures.scratch())
    let arguments = [graph, "--input", "x=[[-5,0,2.5],[1,1,1]]", "--input", "limit=1.5"]
    let outcome = try Commands.run("dsd-run", arguments)
    #expect(outcome.code == 0, "\(outcome.errors)")
    let rows = outcome.output.split(separator: "\n").map {
      $0.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
    }
    #expect(
      rows == [
        "output type shape min mean max first values", "y float32 [2, 3] 0 1.75 3.5 0, 1, 3.5, 2, 2, …",
        "big bool [2, 3] 0 0.666667 1 false, false, true, true, true, …",
      ])
    let json = try Commands.run("dsd-run", arguments + ["--json"])
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any])
    let outputs = try #require(object["outputs"] as? [[String: Any]])
    #expect(outputs[0]["mean"] as? Double == 1.75 && outputs[0]["shape"] as? [Int] == [2, 3])
  }

  @Test func summaryOfWhatIsNotFinite() throws {
    let folder = try Fixtures.scratch()
    let path = try graph(folder)
    try NPYFile.write(Tensor([Float.infinity, .nan, 3], shape: [1, 3]), to: "\(folder)/x.npy")
    let outcome = try Commands.run("dsd-run", [path, "--input", "x=\(folder)/x.npy", "--input", "limit=0"])
    let row = try #require(outcome.output.split(separator: "\n").first { $0.hasPrefix("y ") })
    #expect(row.split(separator: " ").suffix(4).map(String.init) == ["2", "inf,", "nan,", "4"])
    // Nothing at all.
    let empty = try Commands.run("dsd-run", [path, "--fill", "ones", "--dim", "batch=0"])
    #expect(empty.code == 0 && empty.output.contains("[0, 3]"), "\(empty.errors)")
  }

  @Test func sequences() throws {
    let folder = try Fixtures.scratch()
    var graph = Graph(name: "sequences", opsets: ["": 20])
    graph.inputs = [ValueInfo("x", TensorType(.float32, [2]))]
    graph.outputs = [
      ValueInfo("s", container: ContainerType(.sequence, of: TensorType(.float32, nil))),
      ValueInfo("e", container: ContainerType(.sequence, of: TensorType(.float32, nil))),
    ]
    graph.nodes = [
      Node("Neg", name: "neg", inputs: ["x"], outputs: ["y"]),
      Node("SequenceConstruct", name: "both", inputs: ["x", "y"], outputs: ["s"]),
      Node("SequenceEmpty", name: "none", inputs: [], outputs: ["e"]),
    ]
    try GraphWriter.write(graph, to: "\(folder)/g.onnx")
    let arguments = ["\(folder)/g.onnx", "--input", "x=[1,2]"]
    let outcome = try Commands.run("dsd-run", arguments)
    #expect(outcome.code == 0, "\(outcome.errors)")
    let rows = outcome.output.split(separator: "\n").map { $0.split(separator: " ").joined(separator: " ") }
    #expect(
      rows.dropFirst() == [
        "s[0] float32 [2] 1 1.5 2 1, 2", "s[1] float32 [2] -2 -1.5 -1 -1, -2", "e a sequence of 0 – – – –",
      ])
    let file = try Commands.run("dsd-run", arguments + ["--output", "s=\(folder)/s.npy"])
    #expect(file.code == 65 && file.errors.contains("'s' is a sequence of 2"), "\(file.errors)")
  }

  @Test func profileAndTrace() throws {
    let folder = try Fixtures.scratch()
    let trace = "\(folder)/trace.json"
    let outcome = try Commands.run(
      "dsd-run",
      [
        try graph(folder), "--fill", "ones", "--dim", "batch=2", "--profile", "--trace", trace, "--repeat",
        "2",
      ])
    #expect(outcome.code == 0, "\(outcome.errors)")
    for (name, calls) in [("Add", "2"), ("net/first", "4"), ("net/second", "2")] {
      let row = try #require(outcome.errorLines.first { $0.hasPrefix("\(name) ") })
      #expect(row.split(separator: " ")[1] == calls)
    }
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: trace))) as? [String: Any])
    let events = try #require(object["traceEvents"] as? [[String: Any]])
    #expect(events.allSatisfy { $0["ph"] as? String == "X" && ($0["dur"] as? Double ?? -1) >= 0 })
    func named(_ name: String) -> [[String: Any]] { events.filter { $0["name"] as? String == name } }
    #expect(named("Add").count == 2 && named("Relu").count == 2 && named("Greater").count == 2)
    #expect((named("Relu")[0]["args"] as? [String: String])?["outputs"] == "float32[2, 3]")
    #expect((named("Relu")[0]["args"] as? [String: String])?["node"] == "net/first/relu")
    // A scope's span holds its nodes.
    let scope = try #require(named("first").first)
    func ends(_ event: [String: Any]) -> (Double, Double) {
      let start = event["ts"] as! Double
      return (start, start + (event["dur"] as! Double))
    }
    for node in [named("Add")[0], named("Relu")[0]] {
      #expect(ends(node).0 >= ends(scope).0 && ends(node).1 <= ends(scope).1 + 0.01)
    }
    #expect(ends(named("Greater")[0]).0 >= ends(scope).1 - 0.01)
    // Depth 1 is one scope.
    let flat = try Commands.run(
      "dsd-run", [try graph(folder), "--fill", "ones", "--dim", "batch=2", "--profile", "--scope-depth", "1"])
    #expect(flat.errorLines.contains { $0.hasPrefix("net ") } && !flat.errors.contains("net/first"))
  }

  /// Nodes of a body have rows of their own, and their time is not counted twice.
  @Test func profileOfBodies() throws {
    let folder = try Fixtures.scratch()
    var body = Graph(name: "then", opsets: ["": 20])
    body.outputs = [ValueInfo("t", nil)]
    body.nodes = [Node("MatMul", name: "inner", inputs: ["x", "x"], outputs: ["t"])]
    var other = body
    other.nodes = [Node("Neg", name: "other", inputs: ["x"], outputs: ["t"])]
    var graph = Graph(name: "branch", opsets: ["": 20])
    graph.inputs = [
      ValueInfo("x", TensorType(.float32, [300, 300])), ValueInfo("c", TensorType(.bool, [])),
    ]
    graph.outputs = [ValueInfo("y", nil)]
    graph.nodes = [
      Node(
        "If", name: "choice", inputs: ["c"], outputs: ["y"],
        attributes: ["then_branch": .graph(body), "else_branch": .graph(other)])
    ]
    try GraphWriter.write(graph, to: "\(folder)/g.onnx")
    let outcome = try Commands.run(
      "dsd-run",
      [
        "\(folder)/g.onnx", "--input", "x=ones", "--input", "c=true", "--profile", "--repeat", "20",
        "--trace",
        "\(folder)/t.json",
      ])
    #expect(outcome.code == 0, "\(outcome.errors)")
    let inner = try #require(outcome.errorLines.first { $0.hasPrefix("MatMul ") })
    #expect(inner.split(separator: " ")[1] == "20")
    #expect(outcome.errorLines.contains { $0.hasPrefix("If ") })
    #expect(!outcome.errors.contains("Neg"))
    let text = try String(contentsOfFile: "\(folder)/t.json", encoding: .utf8)
    #expect(text.contains("\"node\":\"choice/inner\""))
  }

  @Test func optionsThatAreWrong() throws {
    let folder = try Fixtures.scratch()
    let path = try graph(folder)
    let image = Fixtures.path("reference/sd21base/image-a.png")
    for arguments in [["--trace", "/nowhere/t.json"], ["--trace", folder]] {
      let outcome = try Commands.run("dsd-run", [path, "--fill", "ones", "--dim", "batch=1"] + arguments)
      #expect(outcome.code == 65 && outcome.errors.contains("cannot be written"), "\(outcome.errors)")
    }
    let same = try Commands.run(
      "dsd-run",
      [path, "--fill", "ones", "--dim", "batch=1", "--trace", "\(folder)/a", "--output", "y=\(folder)/a"])
    #expect(same.code == 64 && same.errors.contains("repeats"))
    for arguments in [
      ["--scope-depth", "0"], ["--fill", "many"], ["--fill", "ones[2]"], ["--input", "=1"],
    ] {
      #expect(try Commands.run("dsd-run", [path] + arguments).code == 64)
    }
    for arguments in [["--declined"], ["--trace", "t.json"], ["--fill", "ones"], ["--dim", "batch=1"]] {
      let outcome = try Commands.run(
        "dsd-run", [path, "--hook", "attn-score", "--image", image, "--text", "a"] + arguments)
      #expect(outcome.code == 64 && outcome.errors.contains(arguments[0]), "\(outcome.errors)")
    }
  }
}
