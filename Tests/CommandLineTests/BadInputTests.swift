import CommandLineSupport
import Foundation
import TestSupport
import Testing

/// Bad input ends in one line that names what is wrong, with the right exit code, and writes nothing.
@Suite struct BadInputTests {
  private let image = Fixtures.path("reference/sd21base/image-a.png")

  private func expect(
    _ outcome: Outcome, code: Int32, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(outcome.code == code, "\(outcome.errors)", sourceLocation: sourceLocation)
    let lines = outcome.errorLines
    if code == 65 { #expect(lines.count == 1, "\(outcome.errors)", sourceLocation: sourceLocation) }
    for part in parts {
      #expect(lines.first?.contains(part) ?? false, "'\(part)' in \(lines)", sourceLocation: sourceLocation)
    }
    #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
  }

  /// Writes a graph of float32 nodes and runs it on `x [2, 3]`.
  private func runGraph(
    _ folder: String, opset: Int = 20, _ nodes: [Node], change: (inout Graph) -> Void = { _ in }
  ) throws -> Outcome {
    var graph = Graph(name: "bad", opsets: ["": opset])
    graph.inputs = [ValueInfo("x", TensorType(.float32, [2, 3]))]
    graph.outputs = [ValueInfo("y", nil)]
    graph.nodes = nodes
    change(&graph)
    try GraphWriter.write(graph, to: "\(folder)/bad.onnx")
    try NPYFile.write(Tensor.zeros(.float32, [2, 3]), to: "\(folder)/x.npy")
    try? FileManager.default.removeItem(atPath: "\(folder)/y.npy")
    let outcome = try Commands.run(
      "dsd-run", ["\(folder)/bad.onnx", "--input", "x=\(folder)/x.npy", "--output", "y=\(folder)/y.npy"])
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/y.npy"))
    return outcome
  }

  @Test func missingFile() throws {
    let outcome = try Commands.run("dsd-run", ["/nowhere/graph.pb", "--output", "y=y.npy"])
    expect(outcome, code: 65, "/nowhere/graph.pb", "No such file")
  }

  @Test func truncatedProtobuf() throws {
    let folder = try Commands.importedCheckpoint("sd21base")
    let whole = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/graph.pb"))
    try whole.prefix(whole.count / 2).write(to: URL(fileURLWithPath: "\(folder)/cut.pb"))
    expect(try Commands.run("dsd-run", ["\(folder)/cut.pb"]), code: 65, "cut.pb")
    expect(try Commands.run("dsd", ["inspect", "\(folder)/cut.pb"]), code: 65, "cut.pb")
  }

  @Test func cyclicGraph() throws {
    let outcome = try runGraph(
      try Fixtures.scratch(),
      [
        Node("Add", name: "first", inputs: ["x", "b"], outputs: ["a"]),
        Node("Relu", name: "second", inputs: ["a"], outputs: ["b"]),
        Node("Relu", name: "last", inputs: ["b"], outputs: ["y"]),
      ])
    expect(outcome, code: 65, "bad.onnx", "cycle", "first", "second")
  }

  @Test func unknownOperators() throws {
    let outcome = try runGraph(
      try Fixtures.scratch(),
      [
        Node("Frobnicate", name: "f", inputs: ["x"], outputs: ["a"]),
        Node("Twist", domain: "com.example", name: "t", inputs: ["a"], outputs: ["b"]),
        Node("Relu", name: "r", inputs: ["b"], outputs: ["y"]),
      ]
    ) { $0.opsets["com.example"] = 1 }
    expect(outcome, code: 65, "Frobnicate", "com.example.Twist")
  }

  @Test func wrongOpset() throws {
    let outcome = try runGraph(
      try Fixtures.scratch(), opset: 99, [Node("Relu", name: "r", inputs: ["x"], outputs: ["y"])])
    expect(outcome, code: 65, "bad.onnx", "opset", "99")
  }

  @Test func shapeMismatch() throws {
    let outcome = try runGraph(
      try Fixtures.scratch(), [Node("MatMul", name: "product", inputs: ["x", "w"], outputs: ["y"])]
    ) { $0.initializers["w"] = Initializer(Tensor.zeros(.float32, [4, 5])) }
    expect(outcome, code: 65, "product", "[2, 3]", "[4, 5]")
  }

  @Test func wrongInputShape() throws {
    let folder = try Fixtures.scratch()
    _ = try runGraph(folder, [Node("Relu", name: "r", inputs: ["x"], outputs: ["y"])]) {
      $0.inputs[0].type = TensorType(.float32, [7, 3])
    }
    let outcome = try Commands.run(
      "dsd-run", ["\(folder)/bad.onnx", "--input", "x=\(folder)/x.npy", "--output", "y=\(folder)/y.npy"])
    expect(outcome, code: 65, "'x'", "[2, 3]", "[7, 3]")
  }

  private func runExternal(_ location: ExternalLocation, in folder: String) throws -> Outcome {
    try runGraph(folder, [Node("Add", name: "sum", inputs: ["x", "w"], outputs: ["y"])]) {
      $0.initializers["w"] = Initializer(dtype: .float32, shape: [2, 3], external: location)
    }
  }

  @Test func externalDataPastTheEnd() throws {
    let folder = try Fixtures.scratch()
    try Data(count: 20).write(to: URL(fileURLWithPath: "\(folder)/w.bin"))
    let outcome = try runExternal(ExternalLocation(path: "w.bin", offset: 0, length: 24), in: folder)
    expect(outcome, code: 65, "'w'", "w.bin")
  }

  /// The writer refuses such locations, so they are put into a finished file.
  private func runOutside(_ path: String, in folder: String) throws -> Outcome {
    let placeholder = String(repeating: "p", count: path.utf8.count)
    _ = try runExternal(ExternalLocation(path: placeholder, offset: 0, length: 24), in: folder)
    var data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/bad.onnx"))
    let place = try #require(data.range(of: Data(placeholder.utf8)))
    data.replaceSubrange(place, with: Data(path.utf8))
    try data.write(to: URL(fileURLWithPath: "\(folder)/bad.onnx"))
    return try Commands.run(
      "dsd-run", ["\(folder)/bad.onnx", "--input", "x=\(folder)/x.npy", "--output", "y=\(folder)/y.npy"])
  }

  @Test func externalDataOutside() throws {
    let parent = try Fixtures.scratch()
    let folder = "\(parent)/inner"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(count: 24).write(to: URL(fileURLWithPath: "\(parent)/w.bin"))
    for path in ["../w.bin", "\(parent)/w.bin"] {
      expect(try runOutside(path, in: folder), code: 65, "'w'", path)
    }
    try FileManager.default.createSymbolicLink(
      atPath: "\(folder)/link.bin", withDestinationPath: "\(parent)/w.bin")
    let outcome = try runExternal(ExternalLocation(path: "link.bin", offset: 0, length: 24), in: folder)
    expect(outcome, code: 65, "'w'", "link.bin")
  }

  @Test func lyingSafetensorsHeader() throws {
    let headers = [
      "size": (UInt64(1) << 40, "{}"),
      "offsets": (nil, #"{"conv_in.bias":{"dtype":"F32","shape":[4],"data_offsets":[0,1600]}}"#),
      "dtype": (nil, #"{"conv_in.bias":{"dtype":"F31","shape":[4],"data_offsets":[0,16]}}"#),
      "overlap": (
        nil,
        #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}}"#
      ),
    ]
    for (name, (size, header)) in headers {
      let folder = try Fixtures.scratch("lie\(name)") + "/checkpoint"
      try FileManager.default.copyItem(atPath: Fixtures.path("checkpoints/sd15"), toPath: folder)
      var data = withUnsafeBytes(of: (size ?? UInt64(header.utf8.count)).littleEndian) { Data($0) }
      data.append(Data(header.utf8))
      data.append(Data(count: 24))
      try data.write(to: URL(fileURLWithPath: "\(folder)/unet/diffusion_pytorch_model.safetensors"))
      let outcome = try Commands.run("dsd", ["import", folder])
      expect(outcome, code: 65, "unet/diffusion_pytorch_model.safetensors")
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/graph.pb"))
    }
  }

  @Test func scoringArguments() throws {
    let graph = try Commands.importedCheckpoint("sd21base") + "/graph.pb"
    func score(_ extra: [String], image path: String? = nil, text: String = "a dog") throws -> Outcome {
      try Commands.run(
        "dsd-run", [graph, "--hook", "attn-score", "--image", path ?? image, "--text", text] + extra)
    }
    let text = try Fixtures.scratch() + "/not-an-image.png"
    try Data("hello".utf8).write(to: URL(fileURLWithPath: text))
    expect(try score([], image: text), code: 65, "not-an-image.png")
    expect(try score([], text: String(repeating: "dog ", count: 2500)), code: 65, "10000 characters")
    expect(try score(["--timesteps", "1000"]), code: 65, "--timesteps", "1000")
    expect(try score(["--timesteps", "ten"]), code: 64, "--timesteps")
    expect(try score(["--hook", "attn-scores"]), code: 64, "attn-scores", "attn-score")
    expect(try score(["--hook", "capture:match=*"]), code: 64, "capture", "out")
    expect(try score(["--hook", "capture:math=*,out=x"]), code: 64, "capture", "math")
    expect(try score(["--layers", "nothing*"]), code: 65, "--layers", "nothing*")
    expect(try Commands.run("dsd-run", [graph, "--hook", "attn-score"]), code: 64, "--image")
  }

  @Test func noPermissionToWrite() throws {
    let folder = try Commands.importedCheckpoint("sd21base")
    let locked = try Fixtures.scratch() + "/locked"
    try FileManager.default.createDirectory(atPath: locked, withIntermediateDirectories: true)
    chmod(locked, 0o555)
    // Root may write anywhere, so the program runs as someone else then.
    let outcome = try Commands.run(
      "dsd", ["import", folder, "-o", "\(locked)/graph.pb"], asNobody: getuid() == 0)
    expect(outcome, code: 65, "\(locked)/graph.pb", "ermission denied")
    #expect(try FileManager.default.contentsOfDirectory(atPath: locked).isEmpty)
  }

  @Test func pickledWeights() throws {
    let folder = try Fixtures.scratch() + "/checkpoint"
    try FileManager.default.copyItem(atPath: Fixtures.path("checkpoints/sd15"), toPath: folder)
    let file = "\(folder)/unet/diffusion_pytorch_model"
    try FileManager.default.moveItem(atPath: "\(file).safetensors", toPath: "\(file).bin")
    expect(
      try Commands.run("dsd", ["import", folder]), code: 65, "diffusion_pytorch_model.bin", "safetensors")
  }

  @Test func otherArchitecture() throws {
    let graph = try Commands.importedCheckpoint("sd21base") + "/graph.pb"
    let other = Fixtures.path("checkpoints/sd15")
    let outcome = try Commands.run(
      "dsd-run",
      [graph, "--weights", other, "--hook", "attn-score", "--image", image, "--text", "a dog"])
    #expect(outcome.code == 65)
    #expect(outcome.errorLines.count > 1 && outcome.errorLines.count <= 22)
    #expect(outcome.errorLines[0].contains("do not fit"))
  }
}
