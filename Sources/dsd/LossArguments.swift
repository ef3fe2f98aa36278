import CommandLineSupport

/// What is made small.
struct LossArguments: ParsableArguments {
  enum Kind: String, ExpressibleByArgument, CaseIterable {
    case hinge
    case crossEntropy = "cross-entropy"
  }

  @Option(name: .customLong("loss"), help: "hinge (by a margin above the best wrong one) or cross-entropy.")
  var kind = Kind.hinge

  @Option(help: "The margin of the hinge loss.")
  var margin: Float = 0.1

  @Option(help: "What scores are divided by in the cross-entropy.")
  var temperature: Float = 1

  func validate() throws {
    guard margin >= 0, margin.isFinite else { throw ValidationError("--margin: \(margin) is not at least 0") }
    guard temperature > 0, temperature.isFinite else {
      throw ValidationError("--temperature: \(temperature) is not above 0")
    }
  }

  var loss: TrainingLoss {
    switch kind {
    case .hinge: .hinge(margin: margin)
    case .crossEntropy: .crossEntropy(temperature: temperature)
    }
  }

  /// What decides how a run ends, by the names of the command line.
  var settings: [String: String] {
    switch kind {
    case .hinge: ["--loss": kind.rawValue, "--margin": "\(margin)"]
    case .crossEntropy: ["--loss": kind.rawValue, "--temperature": "\(temperature)"]
    }
  }
}
