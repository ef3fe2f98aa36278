import CommandLineSupport

Program.main(RunCommand.self)
