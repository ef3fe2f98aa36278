import Foundation
import TestSupport
import Testing

/// ONNX's own backend cases.
@Suite struct ConformanceTests {
  private let cases = Fixtures.path("conformance/cases.tar.gz")
  private let exceptions = Fixtures.path("conformance/exceptions.tsv")

  /// Exactly the listed cases do not pass, and none of them crashes.
  @Test func everyCaseIsAsListed() throws {
    let outcome = try Commands.run("dsd-conformance", [cases, "--exceptions", exceptions])
    #expect(outcome.code == 0, "\(outcome.errors)")
    let rows = outcome.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(rows.first == ["group", "cases", "passed", "failed", "unsupported", "crashed"])
    let all = try #require(rows.last)
    #expect(all[0] == "all" && all[1] == "1795" && all[5] == "0", "\(outcome.output)")
  }

  /// A list that leaves out a case, or names one that passes, is told apart from the results.
  @Test func listsThatAreNotTrueFail() throws {
    let list = try Fixtures.scratch() + "/list.tsv"
    try "test_abs\tunsupported\treason\n".write(toFile: list, atomically: true, encoding: .utf8)
    let outcome = try Commands.run(
      "dsd-conformance", [cases, "--only", "test_abs", "--exceptions", list])
    #expect(outcome.code == 65)
    #expect(outcome.errors.contains("test_abs: passed, was unsupported"))
  }

  /// Wrong outputs fail, broken models are unsupported, and a process that hangs or dies costs one case.
  @Test func verdicts() throws {
    let folder = try Fixtures.scratch() + "/cases"
    let unpack = Process()
    unpack.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let names = ["test_abs", "test_add", "test_and2d", "test_argmax_default_axis_example"]
    unpack.arguments = ["tar", "-xzf", cases, "-C", folder] + names
    try unpack.run()
    unpack.waitUntilExit()
    #expect(unpack.terminationStatus == 0)
    let list = names.map { "\($0)\tOp\tclosure\n" }.joined()
    try list.write(toFile: "\(folder)/cases.tsv", atomically: true, encoding: .utf8)
    let data = "test_data_set_0/output_0.pb"
    try FileManager.default.removeItem(atPath: "\(folder)/test_abs/\(data)")
    try FileManager.default.copyItem(
      atPath: "\(folder)/test_abs/test_data_set_0/input_0.pb", toPath: "\(folder)/test_abs/\(data)")
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: "\(folder)/test_add/model.onnx"))
    let outcome = try Commands.run("dsd-conformance", [folder])
    #expect(outcome.output.contains("test_abs: failed: output 'y' has"), "\(outcome.output)")
    #expect(outcome.output.contains("test_add: unsupported: model.onnx: "))
    let closure = outcome.output.split(separator: "\n").last?.split(separator: " ").map(String.init)
    #expect(closure == ["closure", "4", "2", "1", "1", "0"])
  }

  @Test func badInputIsOneLine() throws {
    for (arguments, part) in [
      (["nothing"], "nothing: no such file"), ([Fixtures.path("images")], "cases.tsv: cannot be read"),
      ([cases, "--only", "no such case"], "no case is called"), ([cases, "--timeout", "0"], "--timeout"),
      ([cases, "--exceptions", "nowhere"], "nowhere: cannot be read"),
    ] {
      let outcome = try Commands.run("dsd-conformance", arguments)
      #expect(
        outcome.code != 0 && outcome.errorLines.count == 1 && outcome.errors.contains(part),
        "\(outcome.errors)")
    }
  }
}
