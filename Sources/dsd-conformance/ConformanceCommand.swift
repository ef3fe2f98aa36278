import CommandLineSupport
import Foundation

/// Runs ONNX's backend cases.
struct ConformanceCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dsd-conformance",
    abstract: "Run ONNX's own backend test cases and tell which pass.",
    discussion: """
      Cases are folders as Tools/conformance/write_cases.py makes them, or an archive of them:
        dsd-conformance Tests/Fixtures/conformance/cases.tar.gz
        dsd-conformance cases --only test_loop
      Every case runs in a process that may die or hang without harm to the others. With --exceptions, the exit code
      tells whether exactly the listed cases do not pass.
      """,
    version: Program.version)

  @Argument(help: "A folder of cases or an archive (.tar.gz) of one.")
  var cases: String

  @Option(help: ArgumentHelp("Only cases whose names contain this.", valueName: "text"))
  var only: String?

  @Option(help: ArgumentHelp("Seconds that a case may take.", valueName: "seconds"))
  var timeout = 10.0

  @Option(help: ArgumentHelp("The cases that are known not to pass.", valueName: "file"))
  var exceptions: String?

  @Option(help: ArgumentHelp("Write the cases that do not pass, with reasons.", valueName: "file"))
  var writeExceptions: String?

  @Flag(help: .hidden)
  var worker = false

  func run() throws {
    if worker { return Worker.serve() }
    guard timeout > 0, timeout <= 86400 else {
      throw UsageError("--timeout: \(timeout) is not 0 to 86400 seconds")
    }
    let scratch = FileManager.default.temporaryDirectory.path + "/dsd-conformance-\(getpid())"
    try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: scratch) }
    let folder = try CaseFolder(cases, scratch: scratch)
    let known = try exceptions.map { try Exceptions(path: $0) }
    let chosen = folder.cases.filter { only == nil || $0.name.contains(only!) }
    guard !chosen.isEmpty else { throw DataError("\(cases): no case is called '\(only ?? "")'") }

    let worker = Worker(timeout: timeout)
    let results = try worker.run(
      chosen.map { "\(folder.path)/\($0.name)" }, progress: Terminal.progress("cases"))
    let found = Exceptions(results)
    if let writeExceptions { try found.write(to: writeExceptions) }
    if known == nil, writeExceptions == nil {
      for result in results where result.verdict != .passed {
        print("\(result.name): \(result.verdict.rawValue): \(result.reason)")
      }
    }
    print(summary(zip(chosen, results).map { ($0.group, $1.verdict) }))
    let differences = known?.differences(from: results) ?? []
    if !differences.isEmpty {
      throw DataError(
        "\(differences.count) cases are not as \(exceptions ?? "") says:\n  "
          + differences.joined(separator: "\n  "))
    }
  }

  private func summary(_ verdicts: [(group: String, verdict: Verdict)]) -> String {
    var table = TextTable(["group", "cases"] + Verdict.allCases.map(\.rawValue), right: Set(1...5))
    let groups = Set(verdicts.map(\.group)).sorted()
    for group in groups + (groups.count > 1 ? ["all"] : []) {
      let own = verdicts.filter { group == "all" || $0.group == group }
      table.rows.append(
        [group, String(own.count)]
          + Verdict.allCases.map { verdict in String(own.filter { $0.verdict == verdict }.count) })
    }
    return table.text
  }
}
