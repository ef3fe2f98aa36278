import CommandLineSupport

/// What is learned from, and what it is measured by.
struct TrainingItemArguments: ParsableArguments {
  enum Direction: String, ExpressibleByArgument, CaseIterable {
    case both, captions, images

    var directions: [Question.Direction] {
      switch self {
      case .both: Question.Direction.allCases
      case .captions: [.captionsForImage]
      case .images: [.imagesForCaption]
      }
    }
  }

  @OptionGroup var list: ItemArguments

  @Option(help: "Learn from so many items of each task, drawn by --run-seed.")
  var shots: Int?

  @Option(help: "Questions to learn from: captions for an image, images for a caption, or both.")
  var direction = Direction.both

  @Option(help: ArgumentHelp("Items to measure by while it learns.", valueName: "file"))
  var validation: String?

  @Option(
    help: ArgumentHelp(
      "Or a share of each task's items, drawn before --shots, such as 0.25.", valueName: "share"))
  var validationShare: Double?

  func validate() throws {
    if let shots, shots < 1 { throw ValidationError("--shots: \(shots) is not at least 1") }
    if let validationShare, !(validationShare > 0 && validationShare < 1) {
      throw ValidationError("--validation-share: \(validationShare) is not between 0 and 1")
    }
    if validation != nil, validationShare != nil {
      throw ValidationError("--validation and --validation-share do not go together")
    }
  }

  /// The items to learn from and those to measure by.
  func chosen(seed: UInt64) throws -> (training: [EvaluationItem], validation: [EvaluationItem]) {
    var training = try list.read().filter { !$0.isHeldOut }
    var held: [EvaluationItem] = []
    if let validation { held = try ItemArguments.read(validation, tasks: list.tasks) }
    if let validationShare {
      (training, held) = TrainingItems.split(training, share: validationShare, seed: seed)
    }
    training = TrainingItems.shots(shots, of: training, seed: seed)
    guard !training.isEmpty else { throw DataError("\(list.items): no items to learn from") }
    return (training, held)
  }
}

/// How it learns.
struct OptimizerArguments: ParsableArguments {
  @Option(help: "Steps of the optimizer.")
  var steps = 200

  @Option(help: "Examples that are computed together.")
  var batch = 8

  @Option(help: "Batches whose gradients are averaged for one step.")
  var accumulate = 1

  @Option(name: .customLong("lr"), help: "The learning rate (default: the method's).")
  var learningRate: Double?

  @Option(help: "How the rate goes after the warm-up: constant, linear or cosine.")
  var schedule = LearningRate.Schedule.constant

  @Option(help: "Steps in which the rate rises from 0.")
  var warmup = 0

  @Option(help: ArgumentHelp("AdamW's two decay rates.", valueName: "beta1,beta2"))
  var betas = "0.9,0.999"

  @Option(help: "AdamW's epsilon.")
  var eps = 1e-8

  @Option(help: "AdamW's decoupled weight decay.")
  var weightDecay = 0.01

  @Option(help: "The largest norm of all gradients together; 0 clips nothing.")
  var clip: Float = 1

  @Option(
    help: """
      Noise levels drawn for each example at each step, where the model itself runs; 0: always those of --timesteps.
      """)
  var draws = 1

  @Option(help: "Decides shots, the order of examples and what is drawn.")
  var runSeed: UInt64 = 0

  func validate() throws {
    for (name, value) in [("steps", steps), ("batch", batch), ("accumulate", accumulate)]
    where !(1...1_000_000).contains(value) {
      throw ValidationError("--\(name): \(value) is not between 1 and 1000000")
    }
    if !(0...1000).contains(draws) { throw ValidationError("--draws: \(draws) is not between 0 and 1000") }
    if warmup < 0 { throw ValidationError("--warmup: \(warmup) is less than 0") }
    let numbers: [(String, Double, Bool)] = [
      ("lr", learningRate ?? 0, (learningRate ?? 0) >= 0), ("eps", eps, eps >= 0),
      ("weight-decay", weightDecay, weightDecay >= 0), ("clip", Double(clip), clip >= 0),
    ]
    for (name, value, isFit) in numbers where !isFit || !value.isFinite {
      throw ValidationError("--\(name): \(value) is not a number that it can be")
    }
    _ = try parsedBetas()
  }

  private func parsedBetas() throws -> [Double] {
    let values = betas.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    guard values.count == 2, values.allSatisfy({ $0 != nil && (0..<1).contains($0!) }) else {
      throw ValidationError("--betas: '\(betas)' is not two numbers from 0 to below 1")
    }
    return values.map { $0! }
  }

  func options(defaultRate: Double) throws -> TrainingOptions {
    var options = TrainingOptions()
    options.steps = steps
    options.batch = batch
    options.accumulate = accumulate
    options.seed = runSeed
    options.learningRate = learningRate ?? defaultRate
    options.schedule = schedule
    options.warmup = warmup
    let betas = try parsedBetas()
    (options.beta1, options.beta2) = (betas[0], betas[1])
    options.epsilon = eps
    options.weightDecay = weightDecay
    options.clip = clip > 0 ? clip : nil
    return options
  }
}

/// What a run leaves behind while it learns, and how it goes on.
struct TrainingRunArguments: ParsableArguments {
  @Option(help: "Steps from one validation to the next.")
  var validateEvery = 20

  @Option(help: "End after so many validations in a row that bring nothing better.")
  var patience: Int?

  @Option(
    help: ArgumentHelp(
      "Keep the run's state in this file (default: the output with .checkpoint behind it).",
      valueName: "file"))
  var checkpoint: String?

  @Option(help: "Steps from one checkpoint to the next.")
  var checkpointEvery = 20

  @Flag(help: "Go on from the checkpoint, if there is one.")
  var resume = false

  @Option(help: ArgumentHelp("Write metrics, one JSON object a line.", valueName: "file"))
  var log: String?

  @Option(help: ArgumentHelp("Write curves of loss and accuracy.", valueName: "file.png"))
  var plot: String?

  @Option(
    help: ArgumentHelp(
      "Keep what does not change from run to run in this file, and go on with what it has: a model's terms for heads, latents and captions for adapters.",
      valueName: "file"))
  var cache: String?

  func validate() throws {
    for (name, value) in [("validate-every", validateEvery), ("checkpoint-every", checkpointEvery)]
    where value < 1 {
      throw ValidationError("--\(name): \(value) is not at least 1")
    }
    if let patience, patience < 1 { throw ValidationError("--patience: \(patience) is not at least 1") }
  }
}

extension LearningRate.Schedule: ExpressibleByArgument {}
