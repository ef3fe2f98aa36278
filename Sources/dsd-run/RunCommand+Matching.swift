import CommandLineSupport
import Foundation

extension RunCommand {
  /// Images × captions: scores, maps or both.
  func runMatching(
    _ path: String, _ scoring: HookSpec?, _ mapping: HookSpec?, _ hooks: [HookSpec]
  ) throws {
    guard !image.isEmpty else { throw ValidationError("--image is missing") }
    guard !text.isEmpty else { throw ValidationError("--text is missing") }
    guard input.isEmpty, output.isEmpty, fill == nil, dims.dim.isEmpty else {
      throw ValidationError(
        "--input, --fill, --dim and --output do not go with --image and --text; use --hook capture")
    }
    // What can be wrong with the command is found before any weights are touched.
    for caption in text { try CLIPTokenizer.check(caption) }
    if trace != nil || declined || `repeat` != 1 {
      throw ValidationError("--trace, --declined and --repeat do not go with --image and --text")
    }
    var options = try matching.options(scoring)
    if scoring == nil { options.terms = nil }
    let maps = try mapping?.makeAttentionMap(layers: matching.layers.map { LayerSelection($0) } ?? .all)
    let head = try head(scoring, &options)
    let attentionHeads = head.flatMap {
      $0.reads.contains(.heads) ? AttentionHeads(selection: options.layers) : nil
    }
    if options.adaptive != nil,
      mapping != nil || head != nil || hooks.contains(where: { $0.name != "attn-score" })
    {
      throw UsageError("--adaptive goes with --hook attn-score alone: heads and other hooks need every pass")
    }
    options.includesEmptyCaption = maps?.hook.needsEmptyCaption ?? false
    try options.check(images: image.count)
    // Decoded once to find damaged ones before anything runs, and again when they are needed: however many there are,
    // few are held.
    for path in image { _ = try RGBImage(contentsOf: path) }
    let loaded = try arguments.load(path)
    let description = try PipelineDescription(from: loaded.graph)
    try head?.check(loaded.graph)
    let (extra, captures) = try makeHooks(hooks)
    let size = description.imageSize
    let job = try MatchingJob(
      loaded.graph, tokenizerFolder: loaded.assets, imageNames: image, texts: text, options: options,
      hooks: (maps.map { [$0.hook] } ?? []) + (attentionHeads.map { [$0] } ?? []) + extra,
      pool: arguments.pool(),
      pixels: { try RGBImage(contentsOf: image[$0]).tensor(width: size, height: size) })
    if profile { job.profile = Profile() }
    for capture in captures { try capture.checkSelection() }
    if let head {
      let layers = options.terms != .bias ? job.score.layers : attentionHeads?.layers ?? []
      try head.check(
        timesteps: job.timesteps, layers: layers.map(\.name), terms: options.terms ?? .both)
    }
    var result = try job.run(progress: Terminal.progress(scoring == nil ? "mapping" : "scoring"))
    for capture in captures { try capture.finish() }
    if let profile = job.profile { report(profile, job) }
    if let maps { try write(maps, prints: scoring == nil) }
    if let head {
      let terms = try HeadTerms(job, heads: attentionHeads)
      result.rescore(try HeadRunner(head).scores(terms), head: head.name)
    }
    guard scoring != nil else { return }
    if result.hasUnusableScores { Terminal.note("note: some scores are infinite or not a number") }
    for tied in result.tiedImages {
      Terminal.note("note: \(result.images[tied]): several captions share the best score; the first is named")
    }
    print(json ? try result.json() : MatchingReport.table(result))
  }

  /// The head to score with, and what it needs of the job.
  private func head(_ scoring: HookSpec?, _ options: inout MatchingOptions) throws -> Head? {
    guard let name = matching.head else { return nil }
    guard scoring != nil else { throw ValidationError("--head needs --hook attn-score") }
    let head = try Head(name)
    options.values = head.values
    if let layers = head.layers {
      guard matching.layers == nil, scoring?["layers"] == nil else {
        throw ValidationError("--layers: head '\(head.name)' has layers of its own")
      }
      options.layers = .matching(layers.map { Glob($0) })
    }
    if head.reads.contains(.heads), options.officialCompat || options.normalize != .none {
      throw ValidationError(
        "--head \(head.name): --official-compat and --normalize do not reach attention heads one by one")
    }
    return head
  }

  private func report(_ profile: Profile, _ job: MatchingJob) {
    let peak = ProductPeak.measure(ThreadPool(threads: job.workerCount > 1 ? 1 : arguments.threadCount))
    Terminal.note(ProfileReport.table(profile, depth: scopeDepth, peak: peak))
    // Taking the time of every node takes some itself.
    let taken = job.sweepSeconds - Double(profile.calls) * Profile.overhead()
    let outside = 1 - profile.seconds / max(taken, 1e-9)
    Terminal.note(
      String(
        format: "outside operators: %.1f %% of %.2f s (%d images beside each other)", 100 * outside,
        taken,
        job.workerCount))
  }

  /// Writes the maps of every image and caption.
  /// - Parameter prints: whether the pictures' paths are the program's output.
  private func write(_ maps: (hook: AttentionMap, files: WordMapFiles), prints: Bool) throws {
    for i in image.indices {
      let photo = try RGBImage(contentsOf: image[i])
      for j in text.indices {
        let paths = try maps.files.write(maps.hook.maps(image: i, text: j), image: i, text: j, photo: photo)
        if prints { for path in paths { print(path) } }
      }
    }
  }

  /// The hooks other than attn-score and attn-map; those that capture once more, to be finished after the run.
  func makeHooks(_ specs: [HookSpec]) throws -> ([any Hook], [Capture]) {
    var hooks: [any Hook] = []
    var captures: [Capture] = []
    for spec in specs {
      switch spec.name {
      case "capture":
        let capture = try spec.makeCapture()
        captures.append(capture)
        hooks.append(capture)
      case "replace": hooks.append(try spec.makeReplace())
      default: break
      }
    }
    return (hooks, captures)
  }
}
