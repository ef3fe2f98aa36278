import Discriminative
import Foundation
import TestSupport

/// A small checkpoint beside a few items whose images lie in one atlas.
struct SmallBenchmark {
  let folder: String
  let kind: String
  let loaded: LoadedGraph
  let items: [EvaluationItem]

  var atlas: String { "\(folder)/atlas.png" }

  init(_ kind: String = "sd15", items lines: [String]? = nil, _ caller: String = #function) throws {
    self.kind = kind
    folder = try Fixtures.scratch(caller)
    let checkpoint = "\(folder)/checkpoint"
    try FileManager.default.copyItem(atPath: Fixtures.path("checkpoints/\(kind)"), toPath: checkpoint)
    try GraphWriter.write(CheckpointImporter.importFolder(checkpoint), to: "\(checkpoint)/graph.pb")
    loaded = try LoadedGraph(path: "\(checkpoint)/graph.pb")
    try SmallBenchmark.makeAtlas(kind, "\(folder)/atlas.png")
    let path = "\(folder)/items.jsonl"
    try (lines ?? SmallBenchmark.lines).joined(separator: "\n").write(
      toFile: path, atomically: true, encoding: .utf8)
    items = try ItemReader.read(path: path)
  }

  /// The checkpoint's two reference images side by side.
  private static func makeAtlas(_ kind: String, _ path: String) throws {
    let images = try ["a", "b"].map {
      try RGBImage(contentsOf: Fixtures.path("reference/\(kind)/image-\($0).png")).resized(
        width: 64, height: 48, filter: .bicubic)
    }
    var pixels: [UInt8] = []
    for row in 0..<48 { for image in images { pixels += image.pixels[row * 192..<(row + 1) * 192] } }
    try RGBImage(width: 128, height: 48, pixels: pixels).writePNG(to: path)
  }

  static let lines = [
    #"{"id":"1","task":"two","images":["atlas.png#xywh=0,0,64,48","atlas.png#xywh=64,0,64,48"],"texts":["a dog","a red cat"],"right":[[0,0],[1,1]]}"#,
    #"{"id":"2","task":"two","images":["atlas.png#xywh=8,0,40,48","atlas.png#xywh=64,8,40,40"],"texts":["a castle beside a lake","two"],"right":[[0,0],[1,1]],"held_out":true}"#,
    #"{"id":"3","task":"many","images":["atlas.png"],"texts":["a","a b","a b c","dog","cat","the red one"],"right":[[0,2]]}"#,
    #"{"id":"4","task":"one","images":["atlas.png#xywh=0,0,20,20","atlas.png#xywh=64,0,20,20","atlas.png"],"texts":["a lake"],"right":[[1,0]]}"#,
    #"{"id":"5","task":"two","images":["atlas.png#xywh=1,0,64,48","atlas.png#xywh=64,0,64,47"],"texts":["a dog","a cat"],"right":[[0,0],[1,1]]}"#,
  ]

  /// Options of a quick run.
  func options(_ change: (inout EvaluationOptions) -> Void = { _ in }) -> EvaluationOptions {
    var options = EvaluationOptions()
    options.matching.timesteps = [300, 700]
    change(&options)
    return options
  }

  func evaluation(
    _ options: EvaluationOptions, items: [EvaluationItem]? = nil, results: String? = nil
  ) throws -> Evaluation {
    try Evaluation(
      loaded, items: items ?? self.items, images: ImageSource(folder: folder), options: options,
      results: try results.map { try ResultsFile(path: $0) })
  }
}
