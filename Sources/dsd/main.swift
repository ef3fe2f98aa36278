import CommandLineSupport

/// Tools around graph files.
struct Tools: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dsd",
    abstract:
      "Turn checkpoints into graph files, look into, measure and teach them, and make images with them.",
    version: Program.version,
    subcommands: [
      ImportCommand.self, InspectCommand.self, EvalCommand.self, ReportCommand.self, MergeCommand.self,
      TrainCommand.self, ServeCommand.self, BenchCommand.self,
      AdapterCommand.self,
      HeadCommand.self, GenerateCommand.self, RewriteCommand.self, TokenizeCommand.self, NoiseCommand.self,
      ResizeCommand.self, OperatorsCommand.self,
    ])
}

Program.main(Tools.self)
