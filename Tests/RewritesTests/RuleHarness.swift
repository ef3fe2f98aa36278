import GraphIR
import Operators
import Rewrites
import Synchronization
import TestSupport
import Testing

/// Applies rules to a graph and runs it before and after.
struct RuleHarness {
  let before: Graph
  let after: Graph
  /// What declined, in order.
  let trace: [String]

  init(
    _ graph: Graph, _ rules: RuleSet, _ inputs: [String: Tensor] = [:], altered: Set<String> = []
  ) throws {
    before = graph
    let types = inputs.mapValues { TensorType($0.dtype, $0.shape) }
    let inference = try TypeInference(
      graph, .standard, inputs: types, opaque: altered, pool: ThreadPool(threads: 1))
    let lines = Lines()
    after = try rules.apply(
      graph,
      RewriteContext(
        operators: .standard, types: inference.types, constants: inference.constants, altered: altered,
        trace: { line in lines.all.withLock { $0.append(line) } }))
    trace = lines.all.withLock { $0 }
  }

  private final class Lines: Sendable { let all = Mutex<[String]>([]) }

  /// How many nodes of an operator there are after.
  func count(_ op: String) -> Int { after.nodes.filter { $0.op == op }.count }

  /// Whether the operators are the same as before.
  var isUnchanged: Bool { after.nodes.map(\.op) == before.nodes.map(\.op) }

  /// The largest difference of any output, divided by the output's peak.
  func difference(_ inputs: [String: Tensor]) throws -> Double {
    let expected = try NaiveEvaluator.values(before, inputs)
    let actual = try NaiveEvaluator.values(after, inputs)
    return before.outputs.map { output in
      guard let a = actual[output.name] else { return .infinity }
      return Comparison.relativeToPeak(a, expected[output.name]!)
    }.max() ?? .infinity
  }
}
