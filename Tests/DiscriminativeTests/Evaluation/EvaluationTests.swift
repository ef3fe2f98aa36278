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

  /// The same file, byte for byte, whatever the number of threads.
  @Test func threads() throws {
    let benchmark = try SmallBenchmark()
    var contents: [Data] = []
    for threads in [1, 2, 4] {
      let path = "\(benchmark.folder)/\(threads).jsonl"
      let evaluation = try benchmark.evaluation(benchmark.options { $0.threads = threads }, results: path)
      try evaluation.run()
      #expect(evaluation.workerCount == threads)
      contents.append(try Data(contentsOf: URL(fileURLWithPath: path)))
    }
    #expect(contents[0] == contents[1] && contents[0] == contents[2])
  }

  /// Cut off anywhere, a file is brought to its end with the same bytes; what it has is not computed again.
  @Test func resume() throws {
    let benchmark = try SmallBenchmark()
    let whole = "\(benchmark.folder)/whole.jsonl"
    // In a scope of its own: while it lives, it has the file.
    let table: String
    do {
      let first = try benchmark.evaluation(benchmark.options(), results: whole)
      #expect(first.pending == [0, 1, 2, 3, 4])
      try first.run()
      table = try JSONText.encode(first.table())
    }
    let bytes = try Data(contentsOf: URL(fileURLWithPath: whole))
    let ends = bytes.indices.filter { bytes[$0] == 0x0A }
    var random = Seeded(11)
    var cuts = (0..<12).map { _ in Int.random(in: 0..<bytes.count, using: &random) }
    cuts += [0, 1, ends[0], ends[0] + 1, ends[2], ends[2] + 1, bytes.count - 1]
    let part = "\(benchmark.folder)/part.jsonl"
    for cut in cuts {
      try bytes.prefix(cut).write(to: URL(fileURLWithPath: part))
      let evaluation = try benchmark.evaluation(benchmark.options { $0.threads = 2 }, results: part)
      let known = max(0, ends.filter { $0 < cut }.count - 1)
      #expect(evaluation.pending == Array(known..<5), "cut at \(cut)")
      try evaluation.run()
      #expect(try Data(contentsOf: URL(fileURLWithPath: part)) == bytes, "cut at \(cut)")
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
    let path = "\(benchmark.folder)/r.jsonl"
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

  /// A file of other settings is refused; one that holds more than is asked for serves.
  @Test func otherSettings() throws {
    let benchmark = try SmallBenchmark()
    let path = "\(benchmark.folder)/r.jsonl"
    let items = Array(benchmark.items.prefix(1))
    try benchmark.evaluation(benchmark.options(), items: items, results: path).run()
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    func refusal(_ change: (inout EvaluationOptions) -> Void) -> String {
      do {
        _ = try benchmark.evaluation(benchmark.options(change), items: items, results: path)
        return "none"
      } catch { return "\(error)" }
    }
    func message(_ reason: String) -> String {
      "\(path): was made with \(reason); choose another file for --results"
    }
    #expect(refusal { $0.matching.seed = 1 } == message("--seed 0, this run has --seed 1"))
    #expect(
      refusal { $0.matching.timesteps = [300] }
        == message("--timesteps 300,700, this run has --timesteps 300"))
    #expect(
      refusal { $0.matching.latent = .sample } == message("--latent mean, this run has --latent sample"))
    #expect(
      refusal { $0.variants.append(NormalizedVariant(AttentionVariant(.mass, .content))) }
        == message("--variants logsumexp,max,mean,cosine, without mass@content"))
    #expect(
      refusal { $0.variants = [NormalizedVariant(AttentionVariant(.max), .noise)] }
        == "\(path): was made without variants relative to noise; choose another file for --results")
    #expect(refusal { $0.matching.noise = .zeros(.float32, [2, 4, 8, 8]) } == message("other noise"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
    // Fewer variants: the file's own are computed for new items as well.
    do {
      let fewer = try benchmark.evaluation(
        benchmark.options { $0.variants = [NormalizedVariant(AttentionVariant(.max))] }, results: path)
      try fewer.run()
      #expect(try fewer.table().choices.count == 5)
    }
    let all = try benchmark.evaluation(benchmark.options(), results: path)
    #expect(all.pending.isEmpty)
  }

  @Test func otherWeights() throws {
    let benchmark = try SmallBenchmark()
    let path = "\(benchmark.folder)/r.jsonl"
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
    #expect(throws: DataError("\(path): was made with other weights; choose another file for --results")) {
      _ = try Evaluation(
        loaded, items: items, images: ImageSource(folder: benchmark.folder), options: benchmark.options(),
        results: path)
    }
  }

  /// An image that cannot be read ends the run; what was finished by then is kept.
  @Test func damagedImage() throws {
    var lines = SmallBenchmark.lines
    lines[2] = lines[2].replacingOccurrences(of: #""atlas.png""#, with: #""bad.png""#)
    let benchmark = try SmallBenchmark(items: lines)
    try Data([0x89, 0x50, 0x4E, 0x47]).write(to: URL(fileURLWithPath: "\(benchmark.folder)/bad.png"))
    let path = "\(benchmark.folder)/r.jsonl"
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
