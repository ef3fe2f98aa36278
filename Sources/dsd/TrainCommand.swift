import CommandLineSupport
import Foundation
import MPIProcessGroup

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Learn from a few items to tell right from wrong pairs of images and captions.",
    discussion: """
      The model stays as it is; what is learned goes into a small file of its own:
        dsd train graph.pb --items items.jsonl --shots 16 --method head:layer-weights -o head.pb
        dsd eval graph.pb --items test.jsonl --head head.pb
      A run that was ended, in whatever way, goes on with --resume to the same end. Started by mpirun, several \
      processes take every step together, each with its share of the batch.

      Methods:
      \(TrainingMethods.known.map { "  \($0.usage): \($0.summary)" }.joined(separator: "\n"))
      """)

  @Argument(help: "The pipeline's graph file.")
  var graph: String

  @Option(help: "What is learned, and how.")
  var method: String

  @Option(name: .shortAndLong, help: ArgumentHelp("The file for what was learned.", valueName: "file"))
  var output: String

  @Option(
    name: .customLong("init"),
    help: ArgumentHelp(
      "Words to begin from, such as \"a photo of\", where words are learned.", valueName: "words"))
  var words: String?

  @OptionGroup(title: "Items") var items: TrainingItemArguments
  @OptionGroup(title: "Loss") var loss: LossArguments
  @OptionGroup(title: "Learning") var optimizer: OptimizerArguments
  @OptionGroup(title: "Run") var session: TrainingRunArguments

  @Option(
    help: ArgumentHelp(
      "Cross-attention layers to read: official, all or patterns separated by commas (default: all for a head, else "
        + "official).", valueName: "layers"))
  var layers: String?

  @OptionGroup(title: "Sweep") var sweep: SweepArguments
  @OptionGroup(title: "Graph") var arguments: GraphArguments

  private var checkpointPath: String { session.checkpoint ?? output + ".checkpoint" }

  func run() throws {
    let group = MPIProcessGroup.isAsked ? try MPIProcessGroup() : nil
    try run(group)
    group?.finish()
  }

  private func run(_ group: MPIProcessGroup?) throws {
    let method = try TrainingMethods.make(method)
    for path in [output, checkpointPath, session.log, session.plot].compactMap({ $0 }) {
      try OutputCheck.file(path)
    }
    let (training, validation) = try items.chosen(seed: optimizer.runSeed)
    let images = try items.list.source()
    let examples = TrainingExample.all(of: training, directions: items.direction.directions)
    let held = TrainingExample.all(
      of: validation, directions: items.direction.directions, first: training.count)
    if validation.isEmpty == false, held.isEmpty {
      throw DataError("--validation: no item asks a question in this direction")
    }

    var matching = try sweep.options()
    matching.layers = layers.map { LayerSelection($0) } ?? method.defaultLayers
    var context = try TrainingContext(
      loaded: arguments.load(graph), items: training + validation, images: images, matching: matching,
      loss: loss.loss, words: words, seed: optimizer.runSeed, cache: session.cache,
      threads: arguments.threadCount)
    context.group = group
    let isFirst = group.map { $0.rank == 0 } ?? true
    if isFirst, arguments.threads == nil, let cores = group?.boundCores {
      Terminal.note(
        "note: mpirun ties each process to \(cores) cores; --bind-to none lets them use their share")
    }
    if Terminal.isInteractive, isFirst { context.progress = TrainProgress.preparation() }
    let prepared = try method.prepare(context)

    var options = try optimizer.options(defaultRate: method.defaultLearningRate)
    options.validateEvery = session.validateEvery
    options.patience = session.patience
    options.checkpointEvery = session.checkpointEvery
    let description = try PipelineDescription(from: context.loaded.graph)
    let draws = StepDraws(
      seed: optimizer.runSeed,
      timesteps: optimizer.draws > 0 ? .random(count: optimizer.draws) : .fixed(prepared.timesteps),
      validationTimesteps: prepared.timesteps,
      validationSeed: sweep.seed, scheduleLength: description.scheduler.trainTimesteps)
    if prepared.rule == .importance {
      // Goes through the examples once: nothing to share out.
      if isFirst { try learnByImportance(prepared, examples, held, draws) }
    } else {
      let settings = try settings(options, prepared, context, examples, held)
      var digest = SHA256()
      for (name, value) in settings.sorted(by: { $0.key < $1.key }) { digest.update("\(name) \(value)") }
      try group?.agree(on: digest.hex, "items, graph or options")
      try learn(prepared, examples, held, options, draws, settings, group)
    }
  }

  // MARK: Learning

  private func learn(
    _ prepared: PreparedTraining, _ examples: [TrainingExample], _ validation: [TrainingExample],
    _ options: TrainingOptions, _ draws: StepDraws, _ settings: [String: String], _ group: MPIProcessGroup?
  ) throws {
    let isFirst = group.map { $0.rank == 0 } ?? true
    let checkpoint = TrainingCheckpoint(path: checkpointPath, settings: settings)
    let trainer = try Trainer(
      prepared.objective, examples: examples, validation: validation, options: options, draws: draws,
      outputs: .init(checkpoint: checkpoint, log: session.log), resumes: session.resume,
      group: group)
    if trainer.state.step > 0, isFirst {
      Terminal.note("note: going on after step \(trainer.state.step) of \(options.steps)")
    }
    let interrupt = Interrupt()
    let progress =
      Terminal.isInteractive && isFirst ? TrainProgress.steps(options, from: trainer.state.step) : nil
    let ending = try trainer.run(progress: progress, shouldStop: { interrupt.isAsked })
    Terminal.clearProgress()
    guard isFirst else { return }
    try prepared.keep()
    if let plot = session.plot { try TrainingChart(trainer.state.history).image.writePNG(to: plot) }
    if ending == .interrupted {
      Terminal.note(
        "note: stopped after step \(trainer.state.step) of \(options.steps); the same command with --resume goes on"
      )
      group?.finish()
      throw ExitCode(130)
    }
    try prepared.save(trainer.learned, output)
    for line in TrainProgress.summary(trainer.state.history, ending, options) { print(line) }
    print("written: \(output)")
  }

  private func learnByImportance(
    _ prepared: PreparedTraining, _ examples: [TrainingExample], _ validation: [TrainingExample],
    _ draws: StepDraws
  ) throws {
    if session.log != nil || session.plot != nil || session.resume {
      Terminal.note("note: importance is learned without steps: --log, --plot and --resume play no part")
    }
    let objective = prepared.objective
    let learned = try ImportanceRule.learn(
      objective, examples, draws: draws, progress: Terminal.progress("example"))
    try prepared.save(learned, output)
    for (name, list) in [("training", examples), ("validation", validation)] where !list.isEmpty {
      func measure(_ parameters: [String: Tensor]) throws -> BatchResult {
        var whole = BatchResult(examples: [])
        for start in stride(from: 0, to: list.count, by: optimizer.batch) {
          let batch = Array(list[start..<min(start + optimizer.batch, list.count)])
          whole.examples += try objective.evaluate(
            batch, draws: batch.map { _ in draws.validation }, parameters: parameters, wantsGradients: false
          ).examples
        }
        return whole
      }
      let before = try measure(Dictionary(uniqueKeysWithValues: objective.parameters.map { ($0, $1) }))
      let after = try measure(Dictionary(uniqueKeysWithValues: learned.map { ($0, $1) }))
      print("\(name): \(TrainProgress.shown(after)), before: \(TrainProgress.shown(before))")
    }
    print("written: \(output)")
  }

  /// All that decides how a run ends: what a checkpoint must agree with.
  private func settings(
    _ options: TrainingOptions, _ prepared: PreparedTraining, _ context: TrainingContext,
    _ examples: [TrainingExample], _ validation: [TrainingExample]
  ) throws -> [String: String] {
    var settings: [String: String] = [
      "--method": method, "--score": sweep.score.rawValue,
      "--timesteps": prepared.timesteps.map(String.init).joined(separator: ","), "--seed": "\(sweep.seed)",
      "--latent": sweep.latent.rawValue, "--layers": layers ?? "default",
      "--direction": items.direction.rawValue,
      "--shots": items.shots.map(String.init) ?? "none", "--tasks": items.list.tasks ?? "all",
      "--official-compat": "\(sweep.officialCompat)", "--draws": "\(optimizer.draws)",
      "--init": words ?? "none",
    ]
    settings.merge(loss.settings) { $1 }
    settings.merge(options.settings) { $1 }
    settings.merge(prepared.settings) { $1 }
    settings.merge(context.digests) { $1 }
    settings["list of items"] = try TrainingItems.digest(examples, context.images)
    settings["list of validation items"] = try TrainingItems.digest(validation, context.images)
    if let noise = context.matching.noise {
      var hash = SHA256()
      hash.update(UnsafeRawBufferPointer(start: noise.pointer, count: noise.byteCount))
      settings["noise"] = hash.hex
    }
    return settings
  }
}
