import Foundation
import TestSupport

/// What a program printed and how it ended.
struct Outcome {
  let code: Int32
  let output: String
  let errors: String

  /// The lines on standard error that are not notes.
  var errorLines: [String] {
    errors.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("note:") }
  }
}

enum Commands {
  /// The folder that holds this test's executable, and the programs beside it.
  private static let folder: String = {
    let path = try! FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    var url = URL(fileURLWithPath: path).deletingLastPathComponent()
    // Swift Testing runs in a helper elsewhere; the bundle is then among the arguments.
    for argument in CommandLine.arguments where argument.hasSuffix(".xctest") {
      url = URL(fileURLWithPath: argument).deletingLastPathComponent()
    }
    return url.path
  }()

  /// What `make test` installs.
  static let mpirun = "/usr/bin/mpirun"

  /// Runs `dsd` or `dsd-run` and waits for it.
  /// - Parameters:
  ///   - killedAfter: seconds after which it is killed without warning.
  ///   - processes: how many of it `mpirun` starts; nil for one by itself.
  static func run(
    _ program: String, _ arguments: [String], asNobody: Bool = false, killedAfter seconds: String? = nil,
    processes: Int? = nil
  ) throws -> Outcome {
    let process = Process()
    let path = "\(folder)/\(program)"
    // Files rather than pipes, so that neither side waits for the other.
    let scratch = try Fixtures.scratch("command")
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    if asNobody {
      // The build folder may be closed to others.
      let copy = "\(scratch)/\(program)"
      try FileManager.default.copyItem(atPath: path, toPath: copy)
      let open = Process()
      open.executableURL = URL(fileURLWithPath: "/bin/chmod")
      open.arguments = ["-R", "a+rX", Fixtures.scratchRoot]
      try open.run()
      open.waitUntilExit()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
      process.arguments = ["--reuid", "65534", "--regid", "65534", "--clear-groups", copy] + arguments
    } else if let processes {
      process.executableURL = URL(fileURLWithPath: mpirun)
      process.arguments = ["-n", "\(processes)", "--oversubscribe", path] + arguments
      var environment = ProcessInfo.processInfo.environment
      for name in ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] { environment[name] = "1" }
      process.environment = environment
    } else if let seconds {
      process.executableURL = URL(fileURLWithPath: "/usr/bin/timeout")
      process.arguments = ["-s", "KILL", seconds, path] + arguments
    } else {
      process.executableURL = URL(fileURLWithPath: path)
      process.arguments = arguments
    }
    for name in ["out", "err"] {
      _ = FileManager.default.createFile(atPath: "\(scratch)/\(name)", contents: nil)
    }
    process.standardOutput = FileHandle(forWritingAtPath: "\(scratch)/out")
    process.standardError = FileHandle(forWritingAtPath: "\(scratch)/err")
    process.standardInput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    return Outcome(
      code: process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus,
      output: (try? String(contentsOfFile: "\(scratch)/out", encoding: .utf8)) ?? "",
      errors: (try? String(contentsOfFile: "\(scratch)/err", encoding: .utf8)) ?? "")
  }

  /// A copy of a fixture's checkpoint with its graph imported beside it.
  static func importedCheckpoint(_ kind: String, _ caller: String = #function) throws -> String {
    let folder = try Fixtures.scratch(caller) + "/checkpoint"
    try FileManager.default.copyItem(atPath: Fixtures.path("checkpoints/\(kind)"), toPath: folder)
    let outcome = try run("dsd", ["import", folder])
    guard outcome.code == 0 else { throw Failure(text: outcome.errors) }
    return folder
  }

  struct Failure: Error { let text: String }
}
