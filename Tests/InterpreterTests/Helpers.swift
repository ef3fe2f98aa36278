import GraphIR
import Interpreter
import Operators
import TestSupport

/// Prepares and plans with the standard operators.
func plan(
  _ graph: Graph, _ inputs: [String: Tensor], outputs: [String]? = nil, hooks: [any Hook] = [],
  rewrites: [any GraphRewrite] = [], threads: Int = 1
) throws -> Plan {
  try Plan(preparation(graph, inputs, outputs: outputs, hooks: hooks, rewrites: rewrites, threads: threads))
}

func preparation(
  _ graph: Graph, _ inputs: [String: Tensor], outputs: [String]? = nil, hooks: [any Hook] = [],
  rewrites: [any GraphRewrite] = [], threads: Int = 1
) throws -> Preparation {
  try Preparation(
    graph, .standard, inputs: inputs.mapValues { TensorType($0.dtype, $0.shape) }, outputs: outputs,
    hooks: hooks, rewrites: rewrites, pool: ThreadPool(threads: threads))
}

/// The message of the `DataError` that `body` throws.
func message(_ body: () throws -> some Any) -> String? {
  do {
    _ = try body()
    return nil
  } catch { return (error as? DataError)?.message ?? "not a DataError: \(error)" }
}

/// A hook made of closures.
final class TestHook: Hook {
  let name: String
  let view: HookView
  let select: (Node) -> Demand?
  let run: (Node, inout [Tensor], SweepPosition) throws -> Void
  var supplied: [String: Tensor] = [:]

  init(
    _ name: String = "test", view: HookView = .source, select: @escaping (Node) -> Demand?,
    run: @escaping (Node, inout [Tensor], SweepPosition) throws -> Void
  ) {
    self.name = name
    self.view = view
    self.select = select
    self.run = run
  }

  func supplies(_ graph: Graph) throws -> [String: Tensor] { supplied }
  func selects(_ node: Node, in context: HookContext) throws -> Demand? { select(node) }
  func didRun(_ node: Node, _ values: inout [Tensor], at position: SweepPosition) throws {
    try run(node, &values, position)
  }
}

extension Tensor {
  var floats: [Float] { converted(to: .float32).array(of: Float.self) }
}
