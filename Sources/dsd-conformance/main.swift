import CommandLineSupport

Program.main(ConformanceCommand.self)
