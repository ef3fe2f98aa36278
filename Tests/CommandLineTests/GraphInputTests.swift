import CommandLineSupport
import Foundation
import TestSupport
import Testing

/// The forms in which `--input` takes a value, and what is said about wrong ones.
@Suite struct GraphInputTests {
  /// A graph whose outputs `y0`, `y1`, … are its inputs `x0`, `x1`, …
  private func identity(_ folder: String, _ types: [TensorType?]) throws -> String {
    var graph = Graph(name: "inputs", opsets: ["": 20])
    for (position, type) in types.enumerated() {
      graph.inputs.append(ValueInfo("x\(position)", type))
      graph.outputs.append(ValueInfo("y\(position)", nil))
      graph.nodes.append(
        Node("Identity", name: "n\(position)", inputs: ["x\(position)"], outputs: ["y\(position)"]))
    }
    try GraphWriter.write(graph, to: "\(folder)/g.onnx")
    return "\(folder)/g.onnx"
  }

  /// Runs an identity graph and reads what came out.
  private func run(
    _ inputs: [(type: TensorType?, value: String)], _ arguments: [String] = []
  ) throws -> [Tensor] {
    let folder = try Fixtures.scratch()
    let graph = try identity(folder, inputs.map(\.type))
    var all = [graph] + arguments
    for (position, input) in inputs.enumerated() {
      if !input.value.isEmpty { all += ["--input", "x\(position)=\(input.value)"] }
      all += ["--output", "y\(position)=\(folder)/\(position).npy"]
    }
    let outcome = try Commands.run("dsd-run", all)
    try #require(outcome.code == 0, "\(outcome.errors)")
    return try inputs.indices.map { try NPYFile.read(path: "\(folder)/\($0).npy") }
  }

  private func refused(
    _ type: TensorType?, _ arguments: [String], code: Int32, _ parts: String...,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let folder = try Fixtures.scratch()
    let outcome = try Commands.run("dsd-run", [try identity(folder, [type])] + arguments)
    #expect(outcome.code == code, "\(outcome.errors)", sourceLocation: sourceLocation)
    for part in parts {
      #expect(
        outcome.errorLines.first?.contains(part) == true, "\(outcome.errors)", sourceLocation: sourceLocation)
    }
    #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
  }

  @Test func literals() throws {
    let values = try run([
      (TensorType(.int64, []), "16000"), (TensorType(.float32, [2, 2]), "[[1, 2.5], [-3e1, 4]]"),
      (TensorType(.int64, [2]), "[9007199254740993, -9223372036854775808]"),
      (TensorType(.float16, [3]), "0.5"), (TensorType(.bool, [2]), "[true, 0]"), (nil, "[1, 2]"),
      (nil, "-inf"), (TensorType(.uint8, ["n"]), "[]"),
      // Extents without names need not be the same.
      (TensorType(.float32, ["?", "?"]), "[[1, 2, 3]]"),
    ])
    #expect(values[0].isIdentical(to: Tensor(scalar: Int64(16000))))
    #expect(values[1].isIdentical(to: Tensor([Float(1), 2.5, -30, 4], shape: [2, 2])))
    #expect(values[2].array(of: Int64.self) == [9_007_199_254_740_993, .min])
    #expect(values[3].array(of: Float16.self) == [0.5, 0.5, 0.5])
    #expect(values[4].array(of: Bool.self) == [true, false])
    #expect(values[5].isIdentical(to: Tensor([Int64(1), 2], shape: [2])))
    #expect(values[6].isIdentical(to: Tensor(scalar: -Float.infinity)))
    #expect(values[8].shape == [1, 3])
    #expect(values[7].dtype == .uint8 && values[7].shape == [0])
  }

  @Test func fills() throws {
    let values = try run(
      [
        (TensorType(.float32, ["batch", 20]), "random:7"), (TensorType(.int32, ["batch"]), "ones"),
        (TensorType(.bool, [100]), "random"), (TensorType(.uint8, [100]), "random"), (nil, "zeros[2,3]"),
        (TensorType(.float32, ["a", .unknown]), "random[2, 8]:1"),
      ], ["--dim", "batch=3"])
    #expect(values[0].isIdentical(to: randn(seed: 7, shape: [3, 20])))
    #expect(values[1].isIdentical(to: Tensor([Int32(1), 1, 1], shape: [3])))
    #expect(Set(values[2].array(of: Bool.self)).count == 2)
    #expect(Set(values[3].array(of: UInt8.self)).count > 60)
    #expect(values[4].isIdentical(to: Tensor.zeros(.float32, [2, 3])))
    #expect(values[5].isIdentical(to: randn(seed: 1, shape: [2, 8])))
  }

  @Test func whatIsLeft() throws {
    let values = try run(
      [(TensorType(.float32, ["n"]), "[1,2,3]"), (TensorType(.float32, ["n", 2]), "")], ["--fill", "ones"])
    #expect(values[1].shape == [3, 2] && values[1].array(of: Float.self) == [1, 1, 1, 1, 1, 1])
  }

  @Test func files() throws {
    let folder = try Fixtures.scratch()
    let (a, b) = (Tensor([Float(1), 2], shape: [2]), Tensor([Float(3), 4, 5], shape: [3]))
    // A path with '=' in it, and a name that is no .npy.
    try FileManager.default.createDirectory(atPath: "\(folder)/k=v", withIntermediateDirectories: true)
    try NPYFile.write(a, to: "\(folder)/k=v/a.npy")
    try NPYFile.write(a, to: "\(folder)/array")
    try SafetensorsWriter.write([("x2", a), ("odd:name", b)], to: "\(folder)/two.safetensors")
    try SafetensorsWriter.write([("w", b)], to: "\(folder)/one.safetensors")
    let type = TensorType(.float32, [.unknown])
    let values = try run([
      (type, "\(folder)/k=v/a.npy"), (type, "\(folder)/array"), (type, "\(folder)/two.safetensors"),
      (type, "\(folder)/two.safetensors:odd:name"), (type, "\(folder)/one.safetensors"),
    ])
    for (value, expected) in zip(values, [a, a, a, b, b]) { #expect(value.isIdentical(to: expected)) }
  }

  /// A name that holds '=' is found among the graph's names.
  @Test func nameWithEquals() throws {
    let folder = try Fixtures.scratch()
    var graph = Graph(name: "inputs", opsets: ["": 20])
    graph.inputs = [ValueInfo("a=b", TensorType(.float32, [1]))]
    graph.outputs = [ValueInfo("c=d", nil)]
    graph.nodes = [Node("Neg", name: "n", inputs: ["a=b"], outputs: ["c=d"])]
    try GraphWriter.write(graph, to: "\(folder)/g.onnx")
    let outcome = try Commands.run(
      "dsd-run", ["\(folder)/g.onnx", "--input", "a=b=[2]", "--output", "c=d=\(folder)/y=1.npy"])
    #expect(outcome.code == 0, "\(outcome.errors)")
    #expect(try NPYFile.read(path: "\(folder)/y=1.npy").array(of: Float.self) == [-2])
  }

  // MARK: Images

  /// Two pixels: a red one on the left of a blue one.
  private func twoPixels() throws -> String {
    let path = try Fixtures.scratch() + "/two.png"
    try RGBImage(width: 2, height: 1, pixels: [255, 0, 0, 0, 0, 51]).writePNG(to: path)
    return path
  }

  @Test func imageLayouts() throws {
    let path = try twoPixels()
    let float = DType.float32
    let values = try run([
      (TensorType(float, ["batch", 3, "h", "w"]), path), (TensorType(float, [1, "h", "w", 3]), path),
      (TensorType(float, [3, 1, 2]), path), (TensorType(.uint8, [1, 2, 3]), path),
      (TensorType(.uint8, ["h", "w"]), path), (TensorType(float, [1, 1, 1, 2]), path), (nil, path),
      (TensorType(float, ["batch", .unknown, .unknown, .unknown]), "\(path):layout=nhwc"),
    ])
    let planes: [Float] = [1, 0, 0, 0, 0, 0.2]
    let interleaved: [Float] = [1, 0, 0, 0, 0, 0.2]
    #expect(values[0].isIdentical(to: Tensor(planes, shape: [1, 3, 1, 2])))
    #expect(values[1].isIdentical(to: Tensor(interleaved, shape: [1, 1, 2, 3])))
    #expect(values[2].isIdentical(to: Tensor(planes, shape: [3, 1, 2])))
    #expect(values[3].isIdentical(to: Tensor([UInt8(255), 0, 0, 0, 0, 51], shape: [1, 2, 3])))
    // 0.299 · 255 and 0.114 · 51.
    #expect(values[4].isIdentical(to: Tensor([UInt8(76), 6], shape: [1, 2])))
    #expect(values[5].array(of: Float.self) == [Float(76.0 / 255), Float(6.0 / 255)])
    #expect(values[6].shape == [1, 3, 1, 2])
    #expect(values[7].shape == [1, 1, 2, 3])
  }

  @Test func imageScaling() throws {
    let path = try twoPixels()
    let type = TensorType(.float32, [1, 3, "h", "w"])
    let values = try run([
      (type, "\(path):range=-1..1"), (type, "\(path):range=0..255,order=bgr"),
      (type, "\(path):mean=0.5+0+0.1,std=0.5"),
      (TensorType(.float32, [1, 3, .unknown, .unknown]), "\(path):size=4x2,filter=bilinear"),
    ])
    #expect(values[0].array(of: Float.self) == [1, -1, -1, -1, -1, -0.6])
    #expect(values[1].array(of: Float.self) == [0, 51, 0, 0, 255, 0])
    #expect(values[2].array(of: Float.self) == [1, -1, 0, 0, -0.2, 0.2])
    #expect(values[3].shape == [1, 3, 2, 4])
    let image = try RGBImage(contentsOf: path).resized(width: 4, height: 2, filter: .bilinear)
    let expected = image.tensor().array(of: Float.self).prefix(4).map { (value: Float) -> Float in
      (value + 1) / 2
    }
    #expect(Array(values[3].array(of: Float.self).prefix(4)) == expected)
  }

  // MARK: Wrong values

  @Test func wrongLiterals() throws {
    let int = TensorType(.int64, [2])
    try refused(int, ["--input", "x0=[1.5,2]"], code: 65, "--input x0", "1.5", "int64")
    try refused(TensorType(.uint8, [2]), ["--input", "x0=[1,300]"], code: 65, "--input x0", "uint8")
    try refused(TensorType(.uint64, [1]), ["--input", "x0=[-1]"], code: 65, "-1", "uint64")
    try refused(TensorType(.bool, [1]), ["--input", "x0=[2]"], code: 65, "2", "bool")
    try refused(int, ["--input", "x0=[1,[2]]"], code: 64, "--input x0", "different lengths")
    try refused(int, ["--input", "x0=[1,2"], code: 64, "--input x0", "list")
    try refused(int, ["--input", "x0=[\"a\"]"], code: 64, "a string")
    try refused(int, ["--input", "x0=[1,2,3]"], code: 65, "'x0'", "int64[3]", "int64[2]")
    try refused(int, ["--input", "x0=\(String(repeating: "[", count: 100_000))"], code: 64, "--input x0")
    try refused(int, ["--input", "x0=maybe"], code: 64, "'maybe'", "FILE.npy")
    try refused(int, ["--input", "x0=/nowhere/x.npy"], code: 65, "/nowhere/x.npy")
    try refused(int, ["--input", "x0=random:x"], code: 64, "random:x")
    try refused(int, ["--input", "x0=zeros[1,-2]"], code: 64, "zeros[1,-2]")
    try refused(int, ["--input", "x0=1", "--input", "x0=2"], code: 64, "x0 is given twice")
    try refused(nil, ["--input", "x0=zeros[1000000,1000000]"], code: 65, "MiB of memory")
    try refused(nil, ["--input", "x0=ones"], code: 65, "--input x0", "ones[")
    try refused(
      TensorType(.float32, [1 << 19, 1 << 19]), ["--fill", "random"], code: 65, "--input x0", "MiB")
  }

  @Test func wrongImages() throws {
    let path = try twoPixels()
    let type = TensorType(.float32, [1, 3, 4, 4])
    for (options, part) in [
      ("range=1", "range"), ("std=0", "divide"), ("mean=1+2", "mean"), ("size=0x1", "size"),
      ("layout=hwc", "layout"), ("colour=red", "colour"), ("", "option"), ("order=rgb,order=bgr", "twice"),
    ] {
      try refused(type, ["--input", "x0=\(path):\(options)"], code: 64, "--input x0", part)
    }
    try refused(type, ["--input", "x0=\(path):size=8x4"], code: 65, "width of 4")
    try refused(TensorType(.float32, [1, 4, 8, 8]), ["--input", "x0=\(path)"], code: 65, "channels", "4")
    try refused(TensorType(.float32, [2, 3, 8, 8]), ["--input", "x0=\(path)"], code: 65, "batch")
    try refused(TensorType(.float32, [8]), ["--input", "x0=\(path)"], code: 65, "float32[8]")
    try refused(type, ["--input", "x0=/nowhere/a.png"], code: 65, "/nowhere/a.png")
  }

  @Test func dimensions() throws {
    let type = TensorType(.float32, ["batch", 2])
    try refused(type, ["--input", "x0=zeros"], code: 65, "'batch' is not known", "--dim")
    try refused(type, ["--input", "x0=zeros", "--dim", "bach=1"], code: 65, "--dim", "'bach'")
    try refused(type, ["--input", "x0=zeros", "--dim", "batch=many"], code: 64, "batch=many")
    try refused(
      type, ["--input", "x0=[[1,2]]", "--dim", "batch=2"], code: 65, "'batch' is 1", "--dim says 2")
    try refused(
      TensorType(.float32, [.unknown]), ["--input", "x0=zeros"], code: 65, "float32[?]", "zeros[1,3]")
  }
}
