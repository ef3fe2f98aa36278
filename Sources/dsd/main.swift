import CommandLineSupport

/// Tools around graph files.
struct Tools: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dsd",
    abstract: "Turn checkpoints into graph files, and look into them.",
    version: Program.version,
    subcommands: [
      ImportCommand.self, InspectCommand.self, TokenizeCommand.self, NoiseCommand.self, ResizeCommand.self,
      OperatorsCommand.self,
    ])
}

Program.main(Tools.self)
