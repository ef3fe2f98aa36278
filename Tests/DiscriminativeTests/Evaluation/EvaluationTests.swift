import Foundation
import TestSupport
import Testing

@testable import Discriminative

/// Evaluations as matching jobs see them.
@Suite struct EvaluationTests {
  /// Terms give the very scores of a matching job on the same images and captions, for every way to read
  /// attention.
  @Test(arguments: [("sd15", false), ("sd21v", true), ("sdxl", false)])
  func scoresOfAMatchingJob(_ kind: String, _ officialCompat: Bool) throws {
    let benchmark = try SmallBenchmark(kind)
    let variants = try [
      "logsumexp", "max", "mean/noise", "cosine/images", "logsumexp@content/empty-caption", "mass@content",
      "max@content/noise",
    ].map { try NormalizedVariant($0) }
    let options = benchmark.options {
      $0.matching.officialCompat = officialCompat
      $0.matching.latent = kind == "sd21v" ? .sample : .mean
      $0.variants = variants
    }
    let item = benchmark.items[0]
    let evaluation = try benchmark.evaluation(options, items: [item])
    try evaluation.run()
    let terms = try #require(evaluation.terms(of: 0))
    let source = try ImageSource(folder: benchmark.folder)
    #expect(evaluation.choices.count == 1 + 2 * 2 * variants.count)
    for choice in evaluation.choices {
      var matching = options.matching
      matching.terms = choice.terms
      if let variant = choice.variant, let layers = choice.layers {
        matching.pooling = variant.variant.pooling
        matching.positions = variant.variant.positions
        matching.normalize = variant.normalize
        matching.layers = layers.name == "all" ? .all : .official
      }
      let size = try PipelineDescription(from: benchmark.loaded.graph).imageSize
      let job = try MatchingJob(
        benchmark.loaded.graph, tokenizerFolder: benchmark.loaded.assets, imageNames: ["a", "b"],
        texts: item.texts, options: matching, pool: ThreadPool(threads: 2),
        pixels: { try source.image(item.images[$0]).tensor(width: size, height: size) })
      let expected = try job.run()
      let scores = try #require(try choice.scores(terms))
      // Averaging over the empty caption's layers and then halving rounds in another order.
      let tolerance = officialCompat ? 1e-12 : 0
      for (row, reference) in zip(scores, expected.scores) {
        for (score, value) in zip(row, reference) {
          #expect(abs(score - value) <= tolerance, "\(choice)")
        }
      }
    }
  }

  /// A choice relative to an item's images means nothing where there is one.
  @Test func oneImage() throws {
    let benchmark = try SmallBenchmark()
    let evaluation = try benchmark.evaluation(
      benchmark.options { $0.variants = [NormalizedVariant(AttentionVariant(.max), .images)] })
    try evaluation.run()
    let table = try evaluation.table()
    let results = Dictionary(
      table.groups.map { ($0.task, $0.directions[0].results[1]) }, uniquingKeysWith: { first, _ in first })
    #expect(results["many"]! == nil)
    #expect(results["one"]! != nil)
  }

  /// The same terms, bit for bit, whatever the number of threads.
  @Test func threads() throws {
    let benchmark = try SmallBenchmark()
    var contents: [[String]] = []
    for threads in [1, 2, 4] {
      let path = "\(benchmark.folder)/\(threads).sqlite"
      let evaluation = try benchmark.evaluation(benchmark.options { $0.threads = threads }, results: path)
      try evaluation.run()
      #expect(evaluation.workerCount == threads)
      contents.append(try ResultsContents.terms(path))
    }
    #expect(contents[0] == contents[1] && contents[0] == contents[2])
  }

  /// Ended after any item, a run is brought to the same end; what is there is not computed again.
  @Test func resume() throws {
    let benchmark = try SmallBenchmark()
    let whole = "\(benchmark.folder)/whole.sqlite"
    let first = try benchmark.evaluation(benchmark.options(), results: whole)
    #expect(first.pending == [0, 1, 2, 3, 4])
    try first.run()
    let table = try JSONText.encode(first.table())
    let contents = try ResultsContents.terms(whole)
    struct Enough: Error {}
    for known in 1..<5 {
      let part = "\(benchmark.folder)/part-\(known).sqlite"
      try benchmark.evaluation(benchmark.options(), results: part).run(Array(0..<known))
      let evaluation = try benchmark.evaluation(benchmark.options { $0.threads = 2 }, results: part)
      #expect(evaluation.pending == Array(known..<5))
      try evaluation.run()
      #expect(try ResultsContents.terms(part) == contents, "after \(known)")
      #expect(try JSONText.encode(evaluation.table()) == table)
    }
    let again = try benchmark.evaluation(benchmark.options(), results: whole)
    var calls = 0
    try again.run { _ in calls += 1 }
    #expect(again.pending.isEmpty && calls == 0 && again.workerCount == 0)
    #expect(try JSONText.encode(again.table()) == table)
  }

  /// Which pairs are right, the task and the order play no part in what is kept; pixels and captions do.
  @Test func keys() throws {
    let benchmark = try SmallBenchmark()
    let path = "\(benchmark.folder)/r.sqlite"
    try benchmark.evaluation(benchmark.options(), results: path).run()
    var items = Array(benchmark.items.reversed())
    items[0].task = "other"
    items[0].right = [.init(image: 1, text: 0)]
    #expect(try benchmark.evaluation(benchmark.options(), items: items, results: path).pending.isEmpty)
    items[1].texts[0] += " at night"
    items[2].images[0] = try ImageReference("atlas.png#xywh=0,0,1,1")
    #expect(try benchmark.evaluation(benchmark.options(), items: items, results: path).pending == [1, 2])
    try RGBImage(width: 128, height: 48, pixels: [UInt8](repeating: 9, count: 128 * 48 * 3))
      .writePNG(to: benchmark.atlas)
    #expect(try benchmark.evaluation(benchmark.options(), results: path).pending.count == 5)
  }

  /// Runs of all settings share a file, and what one of them has left another does not compute again.
  @Test func otherSettings() throws {
    let benchmark = try SmallBenchmark()
    let path = "\(benchmark.folder)/r.sqlite"
    let items = Array(benchmark.items.prefix(1))
    /// Passes that a run of other settings took, and its terms beside those of one without a file.
    func passes(_ change: (inout EvaluationOptions) -> Void, items: [EvaluationItem]? = nil) throws -> Int {
      let items = items ?? Array(benchmark.items.prefix(1))
      let evaluation = try benchmark.evaluation(benchmark.options(change), items: items, results: path)
      var passes = 0
      try evaluation.run { passes = $0.passes }
      let alone = try benchmark.evaluation(benchmark.options(change), items: items)
      try alone.run()
      for place in items.indices { #expect(evaluation.terms(of: place) == alone.terms(of: place)) }
      return passes
    }
    // Two images, two captions and the empty one, two noise levels.
    #expect(try passes({ _ in }) == 12)
    #expect(try passes({ _ in }) == 0)
    #expect(try passes({ $0.variants = [NormalizedVariant(AttentionVariant(.max))] }) == 0)
    #expect(try passes({ $0.matching.terms = .attention }) == 0)
    // The first noise level and its noise are known.
    #expect(try passes({ $0.matching.timesteps = [300] }) == 0)
    #expect(try passes({ $0.matching.timesteps = [300, 500] }) == 6)
    #expect(try passes({ $0.matching.seed = 1 }) == 12)
    #expect(try passes({ $0.matching.latent = .sample }) == 12)
    // The empty caption is read at the positions of the others as well.
    #expect(try passes({ $0.variants = [NormalizedVariant(AttentionVariant(.mass, .content))] }) == 12)
    // The latent of zeros with two captions.
    #expect(try passes({ $0.variants = [NormalizedVariant(AttentionVariant(.max), .noise)] }) == 4)
    #expect(try passes({ $0.matching.noise = .zeros(.float32, [2, 4, 8, 8]) }) == 12)
    // Of another item with one of the captions and both images, the other caption.
    var other = items[0]
    other.texts[1] = "a boat"
    #expect(try passes({ _ in }, items: [other]) == 4)
  }

  @Test func otherWeights() throws {
    let benchmark = try SmallBenchmark()
    let path = "\(benchmark.folder)/r.sqlite"
    let items = Array(benchmark.items.prefix(1))
    try benchmark.evaluation(benchmark.options(), items: items, results: path).run()
    let file = "\(benchmark.folder)/checkpoint/unet/diffusion_pytorch_model.safetensors"
    let old = try SafetensorsFile(path: file)
    let tensors = try old.keys.map { key -> (String, Tensor) in
      let tensor = try old.tensor(key).copy()
      if key == "mid_block.resnets.0.conv1.weight" { tensor.pointer(as: Float.self)[1] += 1 }
      return (key, tensor)
    }
    try SafetensorsWriter.write(tensors, metadata: old.metadata, to: file)
    let loaded = try LoadedGraph(path: benchmark.loaded.path)
    let other = try Evaluation(
      loaded, items: items, images: ImageSource(folder: benchmark.folder), options: benchmark.options(),
      results: ResultsFile(path: path))
    #expect(other.pending == [0])
    try other.run()
    #expect(try benchmark.evaluation(benchmark.options(), items: items, results: path).pending.isEmpty)
  }

  /// An image that cannot be read ends the run; what was finished by then is kept.
  @Test func damagedImage() throws {
    var lines = SmallBenchmark.lines
    lines[2] = lines[2].replacingOccurrences(of: #""atlas.png""#, with: #""bad.png""#)
    let benchmark = try SmallBenchmark(items: lines)
    try Data([0x89, 0x50, 0x4E, 0x47]).write(to: URL(fileURLWithPath: "\(benchmark.folder)/bad.png"))
    let path = "\(benchmark.folder)/r.sqlite"
    for threads in [1, 2] {
      let evaluation = try benchmark.evaluation(benchmark.options { $0.threads = threads }, results: path)
      let error = #expect(throws: DataError.self) { try evaluation.run() }
      #expect(
        error?.message.hasPrefix("\(benchmark.folder)/items.jsonl:3: \(benchmark.folder)/bad.png: ") == true)
      #expect(throws: DataError.self) { _ = try evaluation.table() }
    }
    let next = try benchmark.evaluation(benchmark.options(), results: path)
    #expect(next.pending.contains(2) && !next.pending.contains(0) && !next.pending.contains(1))
    // Missing altogether: found before anything runs.
    try FileManager.default.removeItem(atPath: "\(benchmark.folder)/bad.png")
    #expect(
      throws: DataError(
        "\(benchmark.folder)/items.jsonl:3: \(benchmark.folder)/bad.png: No such file or directory")
    ) { _ = try benchmark.evaluation(benchmark.options()) }
  }

  /// The graph is planned once, however many items there are, and shared by what runs beside it.
  @Test func oneAtlasAndOneSetup() throws {
    let benchmark = try SmallBenchmark()
    let source = try ImageSource(folder: benchmark.folder)
    let evaluation = try Evaluation(
      benchmark.loaded, items: benchmark.items, images: source, options: benchmark.options { $0.threads = 2 })
    try evaluation.run()
    #expect(source.decodedAtlases == 1)
  }
}
