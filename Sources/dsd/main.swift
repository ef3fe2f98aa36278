import CommandLineSupport

/// Tools around graph files.
struct Tools: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dsd",
    abstract: "Turn checkpoints into graph files, look into them, measure them, and make images with them.",
    version: Program.version,
    subcommands: [
      ImportCommand.self, InspectCommand.self, EvalCommand.self, GenerateCommand.self, AdapterCommand.self,
      TokenizeCommand.self, NoiseCommand.self, ResizeCommand.self, OperatorsCommand.self, RewriteCommand.self,
    ])
}

Program.main(Tools.self)
