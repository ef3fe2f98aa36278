import CommandLineSupport
import Foundation
import TestSupport
import Testing

/// Input made to hurt, huge, malformed or colliding, ends in one line and neither traps, hangs nor writes.
@Suite struct HostileInputTests {
  private let image = Fixtures.path("reference/sd21base/image-a.png")

  private func expect(
    _ outcome: Outcome, code: Int32, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(outcome.code == code, "\(outcome.errors)", sourceLocation: sourceLocation)
    if code == 65 {
      #expect(outcome.errorLines.count == 1, "\(outcome.errors)", sourceLocation: sourceLocation)
    }
    for part in parts {
      #expect(outcome.errors.contains(part), "'\(part)' in \(outcome.errors)", sourceLocation: sourceLocation)
    }
  }

  /// Runs nodes from `x [2, 3]` to `y`, and writes `y.npy`.
  private func run(
    _ folder: String, _ nodes: [Node], _ arguments: [String] = [], opset: Int = 20,
    change: (inout Graph) -> Void = { _ in }
  ) throws -> Outcome {
    var graph = Graph(name: "hostile", opsets: ["": opset])
    graph.inputs = [ValueInfo("x", TensorType(.float32, [2, 3]))]
    graph.outputs = [ValueInfo("y", nil)]
    graph.nodes = nodes
    change(&graph)
    try GraphWriter.write(graph, to: "\(folder)/g.onnx")
    try NPYFile.write(Tensor((0..<6).map { Float($0) }, shape: [2, 3]), to: "\(folder)/x.npy")
    return try Commands.run(
      "dsd-run",
      ["\(folder)/g.onnx", "--input", "x=\(folder)/x.npy", "--output", "y=\(folder)/y.npy"] + arguments)
  }

  private let relu = [
    Node("Relu", name: "first", inputs: ["x"], outputs: ["a"]),
    Node("Relu", name: "second", inputs: ["a"], outputs: ["y"]),
  ]

  // MARK: Graphs

  @Test func nodeWithoutOutputs() throws {
    for op in ["Relu", "Identity"] {
      let nodes = relu + [Node(op, name: "idle", inputs: ["w"], outputs: [])]
      let outcome = try run(try Fixtures.scratch(), nodes) {
        $0.initializers["w"] = Initializer(Tensor.zeros(.float32, [2]))
      }
      expect(outcome, code: 65, "idle", "no outputs")
    }
  }

  @Test func moreMemoryThanThereIs() throws {
    let folder = try Fixtures.scratch()
    let parts = (0..<40).map { "part\($0)" }
    func ask(_ extents: [Int64]) throws -> Outcome {
      // No two are the same, or they would be one.
      let nodes =
        parts.enumerated().map { number, name in
          number == 0
            ? Node("Expand", name: name, inputs: ["x", "shape"], outputs: [name])
            : Node("Add", name: name, inputs: [parts[number - 1], "x"], outputs: [name])
        } + [
          Node("Sum", name: "sum", inputs: parts, outputs: ["s"]),
          Node("ReduceSum", name: "all", inputs: ["s"], outputs: ["y"]),
        ]
      return try run(folder, nodes) {
        $0.initializers["shape"] = Initializer(Tensor(extents, shape: [extents.count]))
      }
    }
    expect(try ask([1 << 31, 2, 3]), code: 65, "MiB of memory")
    // Told about all the same.
    #expect(try Commands.run("dsd", ["inspect", "\(folder)/g.onnx"]).output.contains("TB"))
    expect(try ask([1 << 50, 2, 3]), code: 65, "part0", "too large")
  }

  @Test func weightsLargerThanAnything() throws {
    let folder = try Fixtures.scratch()
    let nodes = [Node("Add", name: "sum", inputs: ["v", "w"], outputs: ["y"])]
    _ = try run(folder, nodes) {
      for name in ["v", "w"] {
        $0.initializers[name] = Initializer(
          dtype: .float32, shape: [1 << 30, 1 << 30],
          external: ExternalLocation(path: "w.bin", offset: 0, length: 1 << 62))
      }
    }
    expect(try Commands.run("dsd", ["inspect", "\(folder)/g.onnx"]), code: 65, "too large")
  }

  @Test func namesWithControlCharacters() throws {
    let nodes = [Node("MatMul", name: "a\nb\u{1B}[31m", inputs: ["x", "x"], outputs: ["y"])]
    let outcome = try run(try Fixtures.scratch(), nodes)
    expect(outcome, code: 65, #"a\nb\u{1b}"#)
    #expect(!outcome.errors.contains("\u{1B}"))
  }

  @Test func manyNodesOfOneName() throws {
    let count = 20_000
    let nodes = (0..<count).map { position in
      Node(
        "Neg", name: "same", inputs: [position == 0 ? "x" : "v\(position - 1)"],
        outputs: [position == count - 1 ? "y" : "v\(position)"])
    }
    let start = Date()
    expect(try run(try Fixtures.scratch(), nodes), code: 0)
    #expect(Date().timeIntervalSince(start) < 15)
  }

  @Test func defaultsAmongTheInputs() throws {
    let folder = try Fixtures.scratch()
    let outcome = try run(folder, [Node("Add", name: "sum", inputs: ["x", "w"], outputs: ["y"])]) {
      $0.inputs.append(ValueInfo("w", TensorType(.float32, [3])))
      $0.initializers["w"] = Initializer(Tensor([Float(1), 1, 1], shape: [3]))
    }
    expect(outcome, code: 0)
    #expect(try NPYFile.read(path: "\(folder)/y.npy").array(of: Float.self) == [1, 2, 3, 4, 5, 6])
  }

  // MARK: Inputs and outputs

  @Test func replacedByAnotherType() throws {
    let folder = try Fixtures.scratch()
    try NPYFile.write(Tensor.zeros(.float32, [1, 1]), to: "\(folder)/small.npy")
    try NPYFile.write(Tensor.zeros(.float64, [2, 3]), to: "\(folder)/double.npy")
    for file in ["small", "double"] {
      let hook = "replace:value=a,from=\(folder)/\(file).npy"
      expect(try run(folder, relu, ["--hook", hook]), code: 65, "'a'", "float32[2, 3]")
    }
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/y.npy"))
  }

  @Test func outputsThatCannotBeWritten() throws {
    let folder = try Fixtures.scratch()
    for place in ["/nowhere/a.npy", folder] {
      expect(try run(folder, relu, ["--output", "a=\(place)"]), code: 65, place, "cannot be written")
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/y.npy"))
    }
    expect(try run(folder, relu, ["--output", "a=\(folder)/./y.npy"]), code: 64, "repeats")
    expect(try run(folder, relu, ["--repeat", "0"]), code: 64, "--repeat")
  }

  @Test func captures() throws {
    let folder = try Fixtures.scratch()
    let nodes = [
      Node("Relu", name: "p", inputs: ["x"], outputs: ["a/b"]),
      Node("Neg", name: "q", inputs: ["a/b"], outputs: ["a.b"]),
      Node("Neg", name: "r", inputs: ["a.b"], outputs: ["y"]),
    ]
    let out = "\(folder)/maps"
    expect(try run(folder, nodes, ["--hook", "capture:out=\(out)"]), code: 65, "'a/b' and 'a.b'")
    expect(try run(folder, relu, ["--hook", "capture:match=z*,out=\(out)"]), code: 65, "z*")
    expect(try run(folder, relu, ["--hook", "capture:out=\(folder)/x.npy"]), code: 65, "cannot be written")
    expect(try run(folder, relu, ["--hook", "capture:out=\(out),out=b"]), code: 64, "twice")
    #expect(!FileManager.default.fileExists(atPath: out))
  }

  // MARK: Scoring

  @Test func numbersOutOfRange() throws {
    let graph = try Commands.importedCheckpoint("sd21base") + "/graph.pb"
    func score(_ extra: String...) throws -> Outcome {
      try Commands.run("dsd-run", [graph, "--hook", "attn-score", "--image", image, "--text", "a"] + extra)
    }
    expect(try score("--samples", "9223372036854775807"), code: 65, "--samples")
    expect(try score("--hold-memory", "nan"), code: 64, "--hold-memory")
    let most = "1073741823,1073741823,1073741823"
    expect(try Commands.run("dsd", ["inspect", graph, "--sweep", most]), code: 0)
  }

  @Test func scoresThatAreNoNumbers() throws {
    let folder = try Commands.importedCheckpoint("sd21base")
    let noise = Tensor([Float](repeating: .nan, count: 256), shape: [1, 4, 8, 8])
    try NPYFile.write(noise, to: "\(folder)/nan.npy")
    let outcome = try Commands.run(
      "dsd-run",
      [
        "\(folder)/graph.pb", "--hook", "attn-score", "--image", image, "--text", "a", "--timesteps", "500",
        "--noise", "\(folder)/nan.npy", "--json",
      ])
    expect(outcome, code: 0, "not a number")
    #expect(outcome.output.contains("\"NaN\""))
    #expect((try? JSONSerialization.jsonObject(with: Data(outcome.output.utf8))) != nil)
  }

  /// A sweep that holds nothing computes values again; each is captured once.
  @Test func capturedAgain() throws {
    let folder = try Commands.importedCheckpoint("sd21base")
    let outcome = try Commands.run(
      "dsd-run",
      [
        "\(folder)/graph.pb", "--hook", "attn-score", "--image", image, "--text", "a", "--text", "b",
        "--timesteps", "500", "--hold-memory", "0", "--hook",
        "capture:match=vae*,out=\(folder)/all.safetensors",
      ])
    expect(outcome, code: 0)
  }

  /// What a pipeline's own description gets wrong.
  @Test func malformedDescription() throws {
    let folder = try Commands.importedCheckpoint("sd21base")
    let graph = try GraphReader.read(path: "\(folder)/graph.pb", weights: .leave)
    let key = PipelineDescription.metadataKey
    let good = try PipelineDescription(from: graph)
    var broken: [(String, PipelineDescription)] = []
    func breaking(_ name: String, _ change: (inout PipelineDescription) -> Void) {
      var description = good
      change(&description)
      broken.append((name, description))
    }
    breaking("image_size") { $0.imageSize = 1 << 62 }
    breaking("latent_downscale") { $0.latentDownscale = 0 }
    breaking("latent_channels") { $0.latentChannels = -1 }
    breaking("max_length") { $0.tokenizers[0].maxLength = 1 << 62 }
    breaking("folder") { $0.tokenizers[0].folder = "../elsewhere" }
    breaking("axes") { $0.axes = [:] }
    breaking("axes") { $0.axes = $0.axes.mapValues { _ in .text } }
    breaking("time_ids") { $0.timeIDs = [1, 2] }
    breaking("num_train_timesteps") { $0.scheduler.trainTimesteps = 0 }
    for (name, description) in broken {
      var changed = graph
      changed.metadata[key] = try description.metadataValue()
      try GraphWriter.write(changed, to: "\(folder)/broken.pb")
      let outcome = try Commands.run(
        "dsd-run", ["\(folder)/broken.pb", "--hook", "attn-score", "--image", image, "--text", "a"])
      expect(outcome, code: 65, key, name)
    }
  }
}
