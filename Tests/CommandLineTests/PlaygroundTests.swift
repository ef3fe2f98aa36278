import CommandLineSupport
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Playground

/// What stands behind `dsd serve`. `Tools/playground/check.py` drives the server itself, by a browser and by JSON.
@Suite struct PlaygroundTests {
  private static let sample = "\(Fixtures.repository)/Graphs/sample"

  private func model(pool: ThreadPool = ThreadPool(threads: 1)) throws -> PlaygroundModel {
    let path = "\(Self.sample)/graph.pb"
    return try PlaygroundModel(
      graph: path, adapters: [], heads: [], settings: .init(pool: pool), version: "test"
    ) { try LoadedGraph(path: path, adapters: $0) }
  }

  private func image(_ number: Int) throws -> String {
    try Data(contentsOf: URL(fileURLWithPath: "\(Self.sample)/images/scene-\(number).png"))
      .base64EncodedString()
  }

  private func request(_ text: String, limits: PlaygroundLimits = PlaygroundLimits()) throws -> ScoreRequest {
    try ScoreRequest(decoding: Data(text.utf8), limits: limits)
  }

  /// A request of two images and two captions.
  private func pairs(_ options: String = "") throws -> ScoreRequest {
    try request(
      """
      {"images": [{"data": "\(image(1))"}, {"name": "b", "data": "data:image/png;base64,\(image(2))"}],
      "texts": ["a blue boot below a green sandal", "blue trousers"]\(options)}
      """)
  }

  private func reason(_ text: String, limits: PlaygroundLimits = PlaygroundLimits()) -> String? {
    do {
      _ = try request(text, limits: limits)
      return nil
    } catch { return (error as? DataError)?.message }
  }

  @Test func requestsAreRead() throws {
    let plain = try pairs()
    #expect(plain.imageNames == ["image 1", "b"] && plain.texts.count == 2)
    #expect(plain.maps == nil && !plain.wantsTerms && plain.options.samples == 4)
    let full = try pairs(
      """
      , "timesteps": [5, 900], "seed": 18446744073709551615, "latent": "sample", "score": "attention", "layers": "all",
      "pooling": "max", "positions": "content", "normalize": "images", "official_compat": true, "terms": true,
      "maps": {"relative": "empty-caption", "layers": "mid_block*"}, "adapters": ["x"], "head": "y"
      """)
    let options = full.options
    #expect(options.timesteps == [5, 900] && options.seed == .max && options.latent == .sample)
    #expect(options.terms == .attention && options.layers == .all && options.pooling == .max)
    #expect(options.positions == .content && options.normalize == .images && options.officialCompat)
    #expect(options.includesEmptyCaption && full.maps?.relative == .emptyCaption && full.wantsTerms)
    #expect(full.adapters == ["x"] && full.head == "y")
    // The preparation does not hang on images and captions, but on all else.
    var other = try pairs()
    other.texts = ["z"]
    #expect(other.preparationKey == plain.preparationKey && plain.preparationKey != full.preparationKey)
    for change in [
      #", "samples": 3"#, #", "seed": 1"#, #", "pooling": "max""#, #", "terms": true"#, #", "maps": true"#,
      #", "adapters": ["x"]"#, #", "head": "y""#, #", "layers": "all""#,
    ] { #expect(try pairs(change).preparationKey != plain.preparationKey, "\(change)") }
  }

  @Test func wrongRequestsAreTold() throws {
    let png = try image(1)
    #expect(reason("[") == "the request is no JSON")
    #expect(reason("[]") == "the request: an object expected")
    #expect(reason(#"{"texts": ["a"]}"#) == "'images' is missing")
    #expect(reason(#"{"images": [], "texts": ["a"]}"#) == "images: the list is empty")
    #expect(reason(#"{"images": [{}], "texts": ["a"]}"#) == "images[0]: 'data' is missing")
    #expect(reason(#"{"images": [{"data": "?"}], "texts": ["a"]}"#) == "images[0]: data is no base64")
    func with(_ rest: String) -> String { #"{"images": [{"data": "\#(png)"}], \#(rest)}"# }
    #expect(reason(with(#""texts": "a""#)) == "texts: a list expected")
    #expect(reason(with(#""texts": ["a"], "seed": -1"#)) == "seed: a whole number from 0 on expected")
    #expect(
      reason(with(#""texts": ["a"], "timesteps": [1, 1.5]"#)) == "timesteps[1]: a whole number expected")
    #expect(reason(with(#""texts": ["a"], "samples": "4""#)) == "samples: a whole number expected")
    #expect(reason(with(#""texts": ["a"], "samples": 101"#))?.hasPrefix("samples: 101 noise levels") == true)
    #expect(
      reason(with(#""texts": ["a"], "Seed": 1"#))?.hasPrefix("'Seed' is not known; there are images") == true)
    #expect(
      reason(with(#""texts": ["a"], "maps": {"size": 1}"#))?.hasPrefix("maps: 'size' is not known") == true)
    #expect(reason(with(#""texts": ["a"], "normalize": "images""#))?.hasPrefix("normalize images") == true)
    #expect(
      reason(#"{"images": [{"data": "\#(png)"}, {"name": "n", "data": "AAAA"}], "texts": ["a"]}"#)
        == "images[1] (n): neither a PNG nor a JPEG image")
    #expect(
      reason(#"{"images": [{"data": "\#(png)", "x": 1}], "texts": []}"#)?.hasPrefix("images[0]: 'x' is")
        == true)
    #expect(reason(with(#""texts": ["a"], "error_rate": 0.1"#)) == "error_rate: needs adaptive")
    #expect(reason(with(#""texts": ["a"], "adaptive": true, "maps": true"#))?.hasPrefix("adaptive: ") == true)
    var limits = PlaygroundLimits()
    limits.imageSide = 63
    #expect(
      reason(with(#""texts": ["a"]"#), limits: limits)?.contains("more than the limit of 63 a side") == true)
    limits = PlaygroundLimits()
    limits.texts = 1
    #expect(reason(with(#""texts": ["a", "b"]"#), limits: limits) == "texts: 2 are more than the limit of 1")
  }

  /// A model that has answered another request before answers as a job of its own does, maps included.
  @Test(arguments: [1, 2]) func answersAreThoseOfAJob(threads: Int) throws {
    let model = try model(pool: ThreadPool(threads: threads))
    let asked = try pairs(#", "terms": true, "maps": true, "samples": 2"#)
    func answer() throws -> ScoreAnswer {
      try model.run(asked, cancellation: Cancellation()) { _, _ in }
    }
    _ = try model.run(
      try pairs(#", "terms": true, "maps": true, "samples": 2, "seed": 3"#), cancellation: Cancellation()
    ) { _, _ in }
    let first = try answer()
    let second = try answer()

    let loaded = try LoadedGraph(path: "\(Self.sample)/graph.pb")
    var options = MatchingOptions()
    options.samples = 2
    let (map, all) = (AttentionMap(), AttentionScore(selection: .all))
    let job = try MatchingJob(
      loaded.graph, tokenizerFolder: loaded.assets, imageNames: asked.imageNames, texts: asked.texts,
      options: options, hooks: [map, all], pool: ThreadPool(threads: 1),
      pixels: { try asked.pixels($0, size: 64) })
    let result = try job.run()
    // What else is read changes the last digits at most: attention is computed in another form.
    let plain = try MatchingJob(
      loaded.graph, tokenizerFolder: loaded.assets, imageNames: asked.imageNames, texts: asked.texts,
      options: options, pool: ThreadPool(threads: 1), pixels: { try asked.pixels($0, size: 64) }
    ).run()
    for (a, b) in zip(plain.scores.joined(), result.scores.joined()) { #expect(abs(a - b) < 1e-5) }
    var bare = asked
    bare.maps = nil
    bare.wantsTerms = false
    #expect(try model.run(bare, cancellation: Cancellation()) { _, _ in }.result.scores == plain.scores)
    for answer in [first, second] {
      #expect(answer.result.scores == result.scores)
      let terms = try #require(answer.terms)
      #expect(terms.layers == all.layers.map(\.name) && terms.bias == result.perTimestep.bias)
      let attention = try #require(terms.attention)
      for layer in terms.layers.indices {
        let reference: [[[Double]]] = try job.attention(of: all, layer: layer)
        for (own, expected) in zip(attention.joined(), reference.joined()) {
          #expect(own.map { $0[layer] } == expected)
        }
      }
      // The request's own layers make its score.
      let chosen: [Double] = terms.chosen.map { attention[0][1][0][$0] }
      let mean: Double = chosen.reduce(0, +) / Double(chosen.count)
      let term: Double = try #require(result.perTimestep.attention)[0][1][0]
      #expect(abs(mean - term) < 1e-12)
      for image in 0..<2 {
        for text in 0..<2 {
          let own = try #require(answer.maps)[image][text]
          let reference = try map.maps(image: image, text: text)
          #expect(own.words.map(\.text) == reference.words.map(\.text))
          #expect(own.words.flatMap(\.values) == reference.tensor.array(of: Float.self))
        }
      }
    }
    // The JSON of dsd-run, and what else was asked for.
    let json = try JSON(parsing: try JSONText.line(first))
    guard case .object(let members) = json, case .object(let own) = try JSON(parsing: result.json()) else {
      Issue.record("not an object")
      return
    }
    #expect(Set(members.keys) == Set(own.keys).union(["terms", "maps", "seconds"]))
    for (key, value) in own { #expect(members[key] == value, "\(key)") }
  }

  @Test func cancelledRunsEnd() throws {
    let model = try model()
    let cancellation = Cancellation()
    var passes = 0
    #expect(throws: CancellationError.self) {
      _ = try model.run(try pairs(), cancellation: cancellation) { done, _ in
        passes = done
        if done == 3 { cancellation.cancel() }
      }
    }
    #expect(passes == 3)
    // Inside of a pass as well: before its next node.
    let loaded = try LoadedGraph(path: "\(Self.sample)/graph.pb")
    final class Stop: Hook {
      let name = "stop"
      let cancellation = Cancellation()
      var runs = 0
      func selects(_ node: Node, in context: HookContext) throws -> Demand? {
        node.op == "Conv" ? Demand(inputs: [0]) : nil
      }
      func didRun(_ node: Node, _ values: inout [Tensor], at position: SweepPosition) throws {
        runs += 1
        if runs == 5 { cancellation.cancel() }
      }
    }
    let stop = Stop()
    let asked = try pairs()
    let job = try MatchingJob(
      loaded.graph, tokenizerFolder: loaded.assets, imageNames: asked.imageNames, texts: asked.texts,
      options: asked.options, hooks: [stop], pool: ThreadPool(threads: 1),
      pixels: { try asked.pixels($0, size: 64) })
    job.cancellation = stop.cancellation
    #expect(throws: CancellationError.self) { _ = try job.run() }
    #expect(stop.runs == 5)
    // The model answers the next one.
    #expect(try model.run(try pairs(), cancellation: Cancellation()) { _, _ in }.result.scores.count == 2)
  }

  @Test(.timeLimit(.minutes(5))) func theQueueKeepsOrder() async throws {
    let ran = Mutex<[String]>([])
    let left = Mutex(0)
    let gate = DispatchSemaphore(value: 0)
    let queue = JobQueue(limit: 4) { job in
      let text = job.takeRequest()!.texts[0]
      if text == "0" { gate.wait() }
      ran.withLock { $0.append(text) }
      job.move(to: .answered(Data("{}".utf8)))
    } left: { _ in
      left.withLock { $0 += 1 }
    }
    let jobs = (0..<5).map { ScoreJob(ScoreRequest(texts: ["\($0)"])) }
    for job in jobs { #expect(queue.add(job)) }
    #expect(jobs.map(queue.place) == [0, 1, 2, 3, 4])
    #expect(!queue.add(ScoreJob(ScoreRequest())))
    // Its place is the next one's; the first is running, and stays.
    queue.abandon(jobs[2])
    queue.abandon(jobs[2])
    #expect(jobs.map(queue.place) == [0, 1, 0, 2, 3] && left.withLock { $0 } == 1)
    #expect(queue.add(ScoreJob(ScoreRequest(texts: ["5"]))))
    gate.signal()
    while !jobs[4].state.isEnd { try await Task.sleep(for: .milliseconds(5)) }
    while ran.withLock({ $0.count }) < 5 { try await Task.sleep(for: .milliseconds(5)) }
    #expect(ran.withLock { $0 } == ["0", "1", "3", "4", "5"])
    #expect(jobs[2].state == .waiting && jobs[2].cancellation.isCancelled)
  }

  @Test func onlyThisMachineIsLocal() {
    for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.8.9.1:7860", "[::1]", "[0:0:0:0:0:0:0:1]:80"] {
      #expect(RequestHandler.isLocal(host), "\(host)")
    }
    for host in [
      "", "x", "127.example", "127.0.0.1.example", "localhost.example:80", "::1", "[::2]", "[::1]x",
      "0.0.0.0", "[127.0.0.1",
      "10.0.0.1",
    ] { #expect(!RequestHandler.isLocal(host), "\(host)") }
    #expect(PlaygroundServer.isLoopback("::1") && !PlaygroundServer.isLoopback("::"))
  }

  /// Requests with and without heads in turn, and one that cannot be prepared between them.
  @Test func requestsDoNotMix() throws {
    let path = "\(Self.sample)/graph.pb"
    let isGone = Mutex(false)
    let heads = ["mean", "layer-weights"].map { "\(Fixtures.repository)/Graphs/heads/\($0).pb" }
    let model = try PlaygroundModel(
      graph: path, adapters: PlaygroundModel.Choice.named(["no/such.safetensors"]),
      heads: PlaygroundModel.Choice.named(heads), settings: .init(pool: ThreadPool(threads: 1)),
      version: "test"
    ) { adapters in
      // The adapter is there when the server starts, and gone later.
      try LoadedGraph(path: path, adapters: isGone.withLock { $0 } ? adapters : [])
    }
    isGone.withLock { $0 = true }
    func run(_ options: String) throws -> ScoreAnswer {
      let asked = try pairs(", \"samples\": 1" + options)
      try model.check(asked, limits: PlaygroundLimits())
      return try model.run(asked, cancellation: Cancellation()) { _, _ in }
    }
    func refusal(_ options: String) -> String? {
      do { _ = try run(options) } catch { return (error as? DataError)?.message }
      return nil
    }
    let plain = try run("")
    let mean = try run(#", "head": "mean.pb""#)
    #expect(mean.result.head == "mean" && plain.result.head == nil)
    #expect(refusal(#", "adapters": ["such.safetensors"]"#)?.contains("no/such.safetensors") == true)
    let weights = try run(#", "head": "layer-weights.pb", "maps": true"#)
    #expect(weights.result.head == "layer-weights" && weights.maps != nil)
    let again = try run("")
    #expect(again.result.scores == plain.result.scores && again.maps == nil)
    for (a, b) in zip(mean.result.scores.joined(), plain.result.scores.joined()) {
      #expect(abs(a - b) < 1e-4)
    }
    #expect(
      refusal(#", "head": "x""#) == "head: 'x' is none of those of the server: mean.pb, layer-weights.pb")
    #expect(refusal(#", "adapters": ["y"]"#)?.hasPrefix("adapters: 'y' is none of") == true)
    #expect(refusal(#", "layers": "nowhere*""#) == "layers: no cross-attention layer matches 'nowhere*'")
    #expect(refusal(#", "timesteps": [1000]"#)?.hasPrefix("timesteps: 1000 is out of range") == true)
    #expect(refusal(#", "maps": {"layers": "x"}"#)?.hasPrefix("maps.layers: ") == true)
    var limits = PlaygroundLimits()
    // Two images, nine words, a latent of 16 × 16.
    let asked = try pairs(#", "maps": true"#)
    limits.mapValues = 2 * 9 * 256
    try model.check(asked, limits: limits)
    limits.mapValues -= 1
    #expect(throws: DataError.self) { try model.check(asked, limits: limits) }
  }

  /// A body that nobody reads any more cancels its job; one that has ended says so once.
  @Test func bodiesHoldTheirJobs() async throws {
    let queue = JobQueue(limit: 4) { _ in }
    let job = ScoreJob(ScoreRequest())
    var lines: JobLines? = JobLines(job, .lines, queue)
    var iterator = lines?.makeAsyncIterator()
    lines = nil
    func next() async throws -> String? {
      try await iterator?.nextBuffer(suggested: 1).map { String(decoding: $0, as: UTF8.self) }
    }
    #expect(try await next() == "{\"queued\":0}\n")
    // Told again while nothing happens.
    #expect(try await next() == "{\"queued\":0}\n")
    job.move(to: .running(done: 1, total: 7))
    #expect(try await next() == "{\"progress\":[1,7]}\n")
    #expect(!job.cancellation.isCancelled)
    iterator = nil
    #expect(job.cancellation.isCancelled)

    let other = ScoreJob(ScoreRequest())
    iterator = JobLines(other, .object, queue).makeAsyncIterator()
    #expect(try await next() == "\n")
    other.move(to: .failed("no “x”"))
    #expect(try await next() == "{\"error\":\"no “x”\"}\n")
    #expect(try await next() == nil)
  }

  @Test func choicesHaveNamesOfTheirOwn() {
    #expect(PlaygroundModel.Choice.named(["a/x.pb", "b/y.pb"]).map(\.name) == ["x.pb", "y.pb"])
    #expect(PlaygroundModel.Choice.named(["a/x.pb", "b/x.pb"]).map(\.name) == ["a/x.pb", "b/x.pb"])
  }

  @Test func wrongCommandsAreTold() throws {
    let graph = "\(Self.sample)/graph.pb"
    for (arguments, reason) in [
      (["--host", "nowhere"], "--host: 'nowhere' is no IPv4 or IPv6 address"),
      (["--adapter", graph], graph), (["--head", "no.pb"], "no.pb"), (["--max-upload", "0"], "--max-upload"),
      (["--host", "203.0.113.7", "--port", "0"], "--host 203.0.113.7 --port 0"),
    ] {
      let run = try Commands.run("dsd", ["serve", graph] + arguments)
      #expect(run.code != 0 && run.errors.contains(reason), "\(arguments): \(run.errors)")
    }
  }
}
