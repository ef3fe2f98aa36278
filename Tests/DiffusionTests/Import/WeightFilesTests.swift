import Foundation
import GraphIR
import ONNXWire
import TestSupport
import Testing

@testable import Diffusion

@Suite struct WeightFilesTests {
  @Test func halfWeightsAreComputedInFloat32() throws {
    let copy = try CheckpointCopy("sd21base")
    let path = "\(copy.path)/unet/diffusion_pytorch_model.safetensors"
    let file = try SafetensorsFile(path: path)
    let half = try file.keys.map { ($0, try file.tensor($0).converted(to: .float16)) }
    try copy.remove("unet/diffusion_pytorch_model.safetensors")
    try SafetensorsWriter.write(half, to: "\(copy.path)/unet/diffusion_pytorch_model.fp16.safetensors")

    // The only variant that is there serves without being named, files without one serve a named variant.
    for variant in [nil, "fp16"] {
      let graph = try CheckpointImporter.importFolder(copy.path, variant: variant)
      let weight = graph.initializers["unet/mid_block.resnets.0.conv1.weight"]
      #expect(weight?.dtype == .float16)
      #expect(weight?.external?.path == "unet/diffusion_pytorch_model.fp16.safetensors")
      let users = graph.nodes.filter { $0.inputs.contains("unet/mid_block.resnets.0.conv1.weight") }
      #expect(users.map(\.op) == ["Cast"])
      #expect(try PipelineDescription(from: graph).weightTypes == ["float16", "float32"])
    }
    #expect(
      message { try CheckpointImporter.importFolder(copy.path, variant: "bf16") }
        == "\(copy.path)/unet: no weights under the usual names, only diffusion_pytorch_model.fp16.safetensors "
        + "(choose one with --variant)")
  }

  @Test func shardsAreFound() throws {
    let copy = try CheckpointCopy("sd21base")
    let stem = "\(copy.path)/unet/diffusion_pytorch_model"
    let file = try SafetensorsFile(path: stem + ".safetensors")
    var map: [String: String] = [:]
    for part in 0..<2 {
      let name = "diffusion_pytorch_model-0000\(part + 1)-of-00002.safetensors"
      let keys = file.keys.enumerated().filter { $0.offset % 2 == part }.map(\.element)
      try SafetensorsWriter.write(try keys.map { ($0, try file.tensor($0)) }, to: "\(copy.path)/unet/\(name)")
      for key in keys { map[key] = name }
    }
    try copy.remove("unet/diffusion_pytorch_model.safetensors")
    let index = try JSONSerialization.data(withJSONObject: ["metadata": [:], "weight_map": map])
    try index.write(to: URL(fileURLWithPath: stem + ".safetensors.index.json"))

    let graph = try CheckpointImporter.importFolder(copy.path)
    let whole = try CheckpointImporter.importFolder(Fixtures.path("checkpoints/sd21base"))
    for (name, initializer) in whole.initializers {
      let other = graph.initializers[name]
      #expect(other?.tensor?.isIdentical(to: initializer.tensor!) == true)
      if let external = other?.external, name.hasPrefix("unet/") {
        #expect(external.path == "unet/" + map[String(name.dropFirst(5))]!)
      }
    }
  }

  @Test func hubCachesImportAsTheyAre() throws {
    let folder = try TemporaryFolder()
    let files = FileManager.default
    let (blobs, snapshot) = (folder.path + "/blobs", folder.path + "/snapshots/abc")
    try files.createDirectory(atPath: blobs, withIntermediateDirectories: true)
    let source = Fixtures.path("checkpoints/sd21v")
    for (number, file) in (files.enumerator(atPath: source)?.compactMap { $0 as? String } ?? []).enumerated()
    {
      if FolderListing.isFolder("\(source)/\(file)") { continue }
      try files.copyItem(atPath: "\(source)/\(file)", toPath: "\(blobs)/\(number)")
      let link = URL(fileURLWithPath: "\(snapshot)/\(file)")
      try files.createDirectory(at: link.deletingLastPathComponent(), withIntermediateDirectories: true)
      let up = String(repeating: "../", count: 2 + file.filter { $0 == "/" }.count)
      try files.createSymbolicLink(atPath: link.path, withDestinationPath: "\(up)blobs/\(number)")
    }
    let graph = try CheckpointImporter.importFolder(snapshot)
    #expect(graph == (try CheckpointImporter.importFolder(source)))
    try GraphWriter.write(graph, to: snapshot + "/graph.pb")
    #expect(try !GraphReader.read(path: snapshot + "/graph.pb").hasUnboundWeights)
  }

  @Test func convolutionsServeAsTheAutoencodersLinearLayers() throws {
    let copy = try CheckpointCopy("sd15")
    let path = "\(copy.path)/vae/diffusion_pytorch_model.safetensors"
    let file = try SafetensorsFile(path: path)
    let key = "encoder.mid_block.attentions.0.query.weight"
    let shape = try #require(file.entries[key]?.shape)
    let tensors = try file.keys.map { name in
      (
        name,
        name == key ? try file.tensor(name).copy().reshaped(shape + [1, 1]) : try file.tensor(name).copy()
      )
    }
    try SafetensorsWriter.write(tensors, to: path)
    let graph = try CheckpointImporter.importFolder(copy.path)
    let name = "vae_encoder/encoder.mid_block.attentions.0.to_q.weight"
    #expect(graph.initializers[name]?.shape == shape + [1, 1])
    #expect(graph.nodes.filter { $0.inputs.contains(name) }.map(\.op) == ["Reshape"])
  }

  @Test func picklesAreRefusedWithAWayOut() throws {
    let copy = try CheckpointCopy("sd15")
    try copy.move("unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.bin")
    let text = message { try CheckpointImporter.importFolder(copy.path) }
    #expect(
      text.hasPrefix("\(copy.path)/unet: only diffusion_pytorch_model.bin is there, and pickles are not read")
    )
    #expect(text.contains("save_pretrained"))
  }

  @Test func everythingThatDoesNotFitIsListed() throws {
    let copy = try CheckpointCopy("sd15")
    try copy.edit("unet/config.json", ["block_out_channels": [16, 16, 32, 64]])
    do {
      _ = try CheckpointImporter.importFolder(copy.path)
      Issue.record("no error")
    } catch let error as DataError {
      let lines = error.message.split(separator: "\n")
      #expect(
        lines[0].hasPrefix("\(copy.path): ") && lines[0].hasSuffix("parameters do not fit the configuration"))
      #expect(lines.count == 22)
      #expect(
        lines[1] == "  unet/diffusion_pytorch_model.safetensors: 'down_blocks.3.resnets.0.conv1.weight' is "
          + "[32, 32, 3, 3], the configuration asks for [64, 32, 3, 3]")
    }
  }
}
