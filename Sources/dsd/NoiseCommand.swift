import CommandLineSupport

struct NoiseCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "noise",
    abstract: "Write the noise of a seed, as torch.manual_seed and torch.randn give it on a CPU.")

  @Option(help: "The seed.")
  var seed: UInt64 = 0

  @Option(help: "The shape, such as 4,4,64,64.")
  var shape: String

  @Option(name: .shortAndLong, help: "The .npy file.")
  var output: String

  func run() throws {
    let extents = shape.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard extents.allSatisfy({ ($0 ?? -1) >= 0 }), let count = Shape.checkedCount(extents.map { $0! }),
      count <= 1 << 30
    else { throw ValidationError("--shape: '\(shape)' is not a list of extents with at most 2³⁰ elements") }
    try NPYFile.write(randn(seed: seed, shape: extents.map { $0! }), to: output)
  }
}
