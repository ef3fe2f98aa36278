import Foundation
import GraphIR
import ONNXWire
import TestSupport
import Testing

@testable import Diffusion

/// The graphs in `Graphs/` are what `dsd import --config-only` makes of the configurations beside them.
@Suite struct KnownGraphsTests {
  @Test(arguments: ["sd15", "sd21-base", "sd21", "sdxl-base"]) func areUpToDate(_ name: String) throws {
    let folder = Fixtures.repository + "/Graphs"
    let graph = try CheckpointImporter.importFolder("\(folder)/configs/\(name)", configOnly: true)
    let committed = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name).pb"))
    #expect(try GraphWriter.bytes(graph) == [UInt8](committed))
    #expect(committed.count < 2_000_000)
  }

  /// Counts of parameters as published.
  @Test func haveTheParametersOfTheirModels() throws {
    func count(_ name: String, _ scope: String) throws -> Int {
      let path = "\(Fixtures.repository)/Graphs/\(name).pb"
      return try GraphReader.read(path: path, weights: .leave).initializers
        .filter { $0.key.hasPrefix(scope + "/") && $0.value.external != nil }
        .values.reduce(0) { $0 + Shape.count($1.shape) }
    }
    #expect(try count("sd15", "unet") == 859_520_964)
    #expect(try count("sd21-base", "unet") == 865_910_724)
    #expect(try count("sdxl-base", "unet") == 2_567_463_684)
    #expect(try count("sd15", "text_encoder") == 123_060_480)
    #expect(try count("sdxl-base", "text_encoder_2") == 694_659_840)
    #expect(try count("sd15", "vae_encoder") + count("sd15", "vae_decoder") == 83_653_863)
  }
}
