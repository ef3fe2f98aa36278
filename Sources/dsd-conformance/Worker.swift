import CommandLineSupport
import Foundation

/// Runs cases in a process of their own, so that one that dies or hangs costs only itself.
struct Worker {
  /// Seconds that a case may take.
  let timeout: Double

  /// The marks of a worker's lines, whatever else a case may print.
  private static let mark = "conformance-result"

  /// What a worker process does: takes folders from standard input, a line each, and prints a line for each case.
  static func serve() {
    while let folder = readLine() {
      let result = ConformanceCase(folder: folder).run()
      let line = [mark, result.name, result.verdict.rawValue, result.reason].joined(separator: "\t")
      FileHandle.standardOutput.write(Data("\(line)\n".utf8))
    }
  }

  /// Runs the cases in these folders, in order. A process that dies is followed by another.
  func run(_ folders: [String], progress: (Int, Int) -> Void) throws -> [CaseResult] {
    var results: [CaseResult] = []
    while results.count < folders.count {
      let before = results.count
      let end = try runProcess(Array(folders[before...])) { result in
        results.append(result)
        progress(results.count, folders.count)
      }
      if results.count < folders.count {
        let name = URL(fileURLWithPath: folders[results.count]).lastPathComponent
        results.append(CaseResult(name: name, verdict: .crashed, reason: end))
      }
    }
    return results
  }

  /// - Returns: how the process ended.
  private func runProcess(_ folders: [String], _ report: (CaseResult) -> Void) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments = ["--worker", "-"]
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    // Folders go from a thread of their own: neither pipe may fill up while the other waits.
    let list = Data((folders.joined(separator: "\n") + "\n").utf8)
    let writer = input.fileHandleForWriting
    Thread.detachNewThread {
      try? writer.write(contentsOf: list)
      try? writer.close()
    }
    var pending = Data()
    var seen = 0
    var isKilled = false
    let descriptor = output.fileHandleForReading.fileDescriptor
    while seen < folders.count {
      var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      if Glibc.poll(&poll, 1, Int32(timeout * 1000)) == 0 {
        kill(process.processIdentifier, SIGKILL)
        isKilled = true
        break
      }
      let data = output.fileHandleForReading.availableData
      if data.isEmpty { break }
      pending.append(data)
      while let end = pending.firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: pending[pending.startIndex..<end], as: UTF8.self)
        pending.removeSubrange(pending.startIndex...end)
        let parts = line.split(separator: "\t", maxSplits: 3, omittingEmptySubsequences: false).map(
          String.init)
        guard parts.count == 4, parts[0] == Worker.mark, let verdict = Verdict(rawValue: parts[2]) else {
          continue
        }
        seen += 1
        report(CaseResult(name: parts[1], verdict: verdict, reason: parts[3]))
      }
    }
    process.waitUntilExit()
    if isKilled { return String(format: "took more than %g s", timeout) }
    let isSignal = process.terminationReason == .uncaughtSignal
    return "the process ended with \(isSignal ? "signal" : "code") \(process.terminationStatus)"
  }
}
