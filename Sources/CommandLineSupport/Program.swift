@_exported import ArgumentParser
@_exported import Discriminative
import Foundation

/// Runs a command and leaves with the exit code that its error stands for: 0 success, 64 wrong usage, 65 bad
/// input data, 70 an internal fault.
public enum Program {
  /// The version of both programs.
  public static let version = "0.1.0"

  public static func main(_ command: any ParsableCommand.Type) -> Never {
    do {
      var parsed = try command.parseAsRoot()
      try parsed.run()
      try finishOutput()
      exit(0)
    } catch {
      fflush(nil)
      exit(report(error, of: command))
    }
  }

  /// - Throws: `DataError` when what was printed could not be written.
  private static func finishOutput() throws {
    guard fflush(nil) == 0 else {
      throw DataError("standard output: cannot be written: \(String(cString: strerror(errno)))")
    }
  }

  private static func report(_ error: any Error, of command: any ParsableCommand.Type) -> Int32 {
    switch error {
    case let error as DataError:
      // One line, but for lists, whose lines are indented.
      Terminal.note("error: " + error.message.replacing(/\n(?!  )/, with: "\\n"))
      return 65
    case let error as UsageError:
      Terminal.note("error: \(error)")
      return 64
    default:
      let code = command.exitCode(for: error)
      if code.isSuccess || code == .validationFailure {
        let text = command.fullMessage(for: error)
        if code.isSuccess { print(text) } else { Terminal.note(text) }
        fflush(nil)
        return code.rawValue
      }
      if let exit = error as? ExitCode { return exit.rawValue }
      Terminal.note("internal error: \(error)")
      return 70
    }
  }
}
