import GraphIR
import Testing

@testable import ONNXWire

@Suite struct WeightBinderTests {
  let scratch = Scratch()

  private func graph(_ tensors: [(String, DType, [Int])], file: String = "unet/m.safetensors") -> Graph {
    var graph = Graph()
    for (name, dtype, shape) in tensors {
      let location = ExternalLocation(path: file, offset: 0, length: Shape.count(shape) * dtype.size)
      graph.initializers[name] = Initializer(dtype: dtype, shape: shape, external: location)
    }
    graph.initializers["inline"] = Initializer(sample(.int64, [2]))
    return graph
  }

  private func write(_ file: String, _ tensors: [(String, Tensor)]) throws {
    try SafetensorsWriter.write(tensors, to: scratch.file(file))
  }

  @Test func bindsByName() throws {
    let a = sample(.float32, [2, 3])
    let b = sample(.float16, [4], seed: 2)
    try write("unet/m.safetensors", [("conv.weight", a), ("b", b), ("position_ids", sample(.int64, [1]))])
    let result = try WeightBinder.bind(
      graph([("unet/conv.weight", .float32, [2, 3]), ("unet/b", .float16, [4])]), to: scratch.path)
    #expect(try #require(result.graph.initializers["unet/conv.weight"]?.tensor).isIdentical(to: a))
    #expect(try #require(result.graph.initializers["unet/b"]?.tensor).isIdentical(to: b))
    #expect(result.unused == ["unet/position_ids"] && !result.graph.hasUnboundWeights)
    // The locations are those of the new files: written there, the graph loads.
    try GraphWriter.write(result.graph, to: scratch.file("g.pb"))
    let read = try GraphReader.read(path: scratch.file("g.pb"))
    #expect(try #require(read.initializers["unet/b"]?.tensor).isIdentical(to: b))
  }

  /// Locations move with the file, those in bodies of control flow too, and with what it said of its checkpoint.
  @Test func relocates() {
    var outer = graph([("unet/w", .float32, [2])])
    let body = graph([("unet/b", .float32, [2])])
    outer.nodes = [
      Node("If", name: "if", inputs: ["c"], outputs: ["y"], attributes: ["then_branch": .graph(body)])
    ]
    func paths(_ graph: Graph) -> [String?] {
      [
        graph.initializers["unet/w"]?.external?.path,
        graph.nodes[0].subgraphs.first?.graph.initializers["unet/b"]?.external?.path,
        graph.metadata[WeightBinder.checkpointKey],
      ]
    }
    let once = outer.relocated(checkpoint: "a/b")
    #expect(paths(once) == ["a/b/unet/m.safetensors", "a/b/unet/m.safetensors", "a/b"])
    let twice = once.relocated(checkpoint: "c")
    #expect(paths(twice) == ["c/a/b/unet/m.safetensors", "c/a/b/unet/m.safetensors", "c/a/b"])
    #expect(twice.initializers["inline"]?.external == nil)
  }

  @Test func otherFilesThanTheGraphNames() throws {
    let wanted = graph([("unet/w", .float32, [2])])
    func bound() throws -> Tensor {
      try #require(try wanted.bindingWeights(from: scratch.path).initializers["unet/w"]?.tensor)
    }
    let shard = sample(.float32, [2], seed: 3)
    try write("unet/big-00001-of-00001.safetensors", [("w", shard)])
    expectRefusal("1 are missing", "unet/w: missing", lines: 2) { _ = try bound() }
    scratch.write(
      Array(#"{"weight_map":{"w":"big-00001-of-00001.safetensors"}}"#.utf8),
      as: "unet/big.safetensors.index.json")
    #expect(try bound().isIdentical(to: shard))
    let half = sample(.float32, [2], seed: 4)
    try write("unet/diffusion_pytorch_model.fp16.safetensors", [("w", half)])
    #expect(try bound().isIdentical(to: half))
    let plain = sample(.float32, [2], seed: 5)
    try write("unet/diffusion_pytorch_model.safetensors", [("w", plain)])
    #expect(try bound().isIdentical(to: plain))
    let own = sample(.float32, [2], seed: 6)
    try write("unet/m.safetensors", [("w", own)])
    #expect(try bound().isIdentical(to: own))
  }

  @Test func theVariantThatFitsIsTaken() throws {
    let half = sample(.float16, [2])
    try write("unet/diffusion_pytorch_model.safetensors", [("w", sample(.float32, [2]))])
    try write("unet/diffusion_pytorch_model.fp16.safetensors", [("w", half)])
    let bound = try graph([("unet/w", .float16, [2])]).bindingWeights(from: scratch.path)
    #expect(try #require(bound.initializers["unet/w"]?.tensor).isIdentical(to: half))
  }

  @Test func olderNamesOfTheAttention() throws {
    let prefix = "encoder.mid_block.attentions.0"
    let old = ["query", "key", "value", "proj_attn"]
    let new = ["to_q", "to_k", "to_v", "to_out.0"]
    for (there, here, thereShape, hereShape) in [
      (old, new, [4, 4, 1, 1], [4, 4]), (new, old, [4, 4], [4, 4, 1, 1]),
    ] {
      try write(
        "vae/m.safetensors",
        there.enumerated().map { ("\(prefix).\($1).weight", sample(.float32, thereShape, seed: UInt64($0))) })
      let wanted = graph(
        here.map { ("vae_encoder/\(prefix).\($0).weight", .float32, hereShape) }, file: "vae/m.safetensors")
      let result = try WeightBinder.bind(wanted, to: scratch.path)
      #expect(result.unused.isEmpty)
      for (i, name) in here.enumerated() {
        let bound = try #require(result.graph.initializers["vae_encoder/\(prefix).\(name).weight"])
        let expected = sample(.float32, thereShape, seed: UInt64(i)).reshaped(hereShape)
        #expect(try #require(bound.tensor).isIdentical(to: expected) && bound.shape == hereShape)
      }
    }
  }

  @Test func everythingThatDoesNotFitIsListed() throws {
    try write(
      "unet/m.safetensors",
      [("shape", sample(.float32, [3, 2])), ("type", sample(.int32, [2])), ("extra", sample(.int8, [1]))])
    let wanted = graph([
      ("unet/shape", .float32, [2, 3]), ("unet/type", .float32, [2]), ("unet/gone", .float32, [2]),
    ])
    expectRefusal(
      scratch.path, "of 3 tensors, 1 are missing and 2 have another shape or type; 1 more",
      "\n  unet/shape: float32[3, 2] there, float32[2, 3] in the graph",
      "\n  unet/type: int32[2] there, float32[2] in the graph", "\n  unet/gone: missing",
      "\n  unet/extra: not in the graph", lines: 5
    ) { _ = try wanted.bindingWeights(from: scratch.path) }
    let many = graph((0..<50).map { ("unet/w\($0)", .float32, [1]) }, file: "other/m.safetensors")
    expectRefusal("50 are missing", "… and 30 more", lines: 22) {
      _ = try many.bindingWeights(from: scratch.path)
    }
    expectRefusal("nowhere") { _ = try many.bindingWeights(from: scratch.path + "/nowhere") }
    expectRefusal("'unet/w'", "../m.safetensors") {
      _ = try graph([("unet/w", .float32, [1])], file: "../m.safetensors").bindingWeights(from: scratch.path)
    }
  }
}
