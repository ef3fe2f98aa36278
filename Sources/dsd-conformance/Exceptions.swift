import CommandLineSupport
import Foundation

/// The cases that do not pass, with their verdicts and reasons: a file beside the cases that says what is known.
struct Exceptions {
  var verdicts: [String: (verdict: String, reason: String)] = [:]

  init(_ results: [CaseResult]) {
    for result in results where result.verdict != .passed {
      verdicts[result.name] = (result.verdict.rawValue, result.reason)
    }
  }

  /// - Throws: `DataError` that names the file.
  init(path: String) throws {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
      throw DataError("\(path): cannot be read")
    }
    for line in text.split(separator: "\n") {
      let parts = line.split(separator: "\t", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 3 else { throw DataError("\(path): '\(line)' is no name, verdict and reason") }
      verdicts[parts[0]] = (parts[1], parts[2])
    }
  }

  func write(to path: String) throws {
    let lines = verdicts.sorted { $0.key < $1.key }.map {
      "\($0.key)\t\($0.value.verdict)\t\($0.value.reason)\n"
    }
    try AtomicFile.write(to: path) { try $0.append(Array(lines.joined().utf8)) }
  }

  /// Lines that tell where results are not what this file says; of cases that were not run nothing is told.
  func differences(from results: [CaseResult]) -> [String] {
    results.compactMap { result in
      let known = verdicts[result.name]?.verdict ?? Verdict.passed.rawValue
      guard known != result.verdict.rawValue else { return nil }
      return "\(result.name): \(result.verdict.rawValue), was \(known)\(result.reason.isEmpty ? "" : ": ")"
        + result.reason
    }
  }
}
