import CommandLineSupport
import Foundation

/// What became of a case.
enum Verdict: String, CaseIterable {
  /// Every output of every data set is right.
  case passed
  /// The graph ran, and an output is wrong.
  case failed
  /// The graph, or a value, was refused with an error.
  case unsupported
  /// The process died, or had to be killed.
  case crashed
}

/// The result of one case, with the reason in one line where it has not passed.
struct CaseResult {
  let name: String
  let verdict: Verdict
  let reason: String
}

/// One of ONNX's backend cases: a folder with `model.onnx` and `test_data_set_N` beside it.
struct ConformanceCase {
  let folder: String

  func run() -> CaseResult {
    let name = URL(fileURLWithPath: folder).lastPathComponent
    do {
      let difference = try firstDifference()
      return CaseResult(name: name, verdict: difference == nil ? .passed : .failed, reason: difference ?? "")
    } catch {
      let reason = "\(error)".replacing("\(folder)/", with: "").replacing(/[\t\n]+/, with: " ")
      return CaseResult(name: name, verdict: .unsupported, reason: reason)
    }
  }

  private func firstDifference() throws -> String? {
    let graph = try GraphReader.read(path: "\(folder)/model.onnx").validated(.standard)
    let sets = try FileManager.default.contentsOfDirectory(atPath: folder)
      .filter { $0.hasPrefix("test_data_set_") }.sorted()
    guard !sets.isEmpty else { throw DataError("has no test_data_set_0") }
    for set in sets {
      let path = "\(folder)/\(set)"
      var inputs: [String: RuntimeValue] = [:]
      for (position, info) in graph.inputs.enumerated() {
        let file = "\(path)/input_\(position).pb"
        guard FileManager.default.fileExists(atPath: file) else { continue }
        inputs[info.name] = try ValueFile.read(path: file, as: info.container)
      }
      let outputs = try run(graph, inputs)
      for (position, info) in graph.outputs.enumerated() {
        let file = "\(path)/output_\(position).pb"
        guard FileManager.default.fileExists(atPath: file) else { continue }
        let expected = try ValueFile.read(path: file, as: info.container)
        guard let actual = outputs[info.name] else { return "output '\(info.name)' is missing" }
        if let difference = ValueComparison.difference(actual, expected) {
          return "output '\(info.name)' \(difference)"
        }
      }
    }
    return nil
  }

  /// Runs the graph as `dsd-run` does.
  private func run(_ graph: Graph, _ inputs: [String: RuntimeValue]) throws -> [String: RuntimeValue] {
    let types = inputs.compactMapValues { $0.tensor.map { TensorType($0.dtype, $0.shape) } }
    let preparation = try Preparation(
      graph, .standard, inputs: types, containers: Set(inputs.keys).subtracting(types.keys),
      rewrites: [RuleSet.recognition, RuleSet.fusion], pool: ThreadPool(threads: 1))
    return try Plan(preparation).runValues(inputs)
  }
}
