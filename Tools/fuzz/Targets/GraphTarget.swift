import Diffusion
import GraphIR
import Interpreter
import ONNXWire
import Operators
import Rewrites
import TensorCore

enum GraphTarget {
  private static let pool = ThreadPool(threads: 1)
  /// Plans above these are not run.
  private static let memoryLimit = 256 << 10
  private static let workLimit = 1 << 20

  /// Reads, validates, writes and reads again, then prepares and plans.
  static func plan(_ bytes: UnsafeRawBufferPointer) throws {
    let graph = try read(bytes)
    _ = graph.text
    _ = try? PipelineDescription(from: graph)
    if let written = try? GraphWriter.bytes(graph) {
      do { _ = try GraphReader.read(written, weights: .leave) } catch {
        throw BrokenPromise("a written graph is refused: \(error)")
      }
    }
    guard !graph.hasUnboundWeights else { return }
    _ = try prepared(graph)
  }

  /// Runs a graph whose plan is small.
  static func run(_ bytes: UnsafeRawBufferPointer) throws {
    let graph = try read(bytes)
    guard !graph.hasUnboundWeights, !graph.loops else { return }
    let (plan, types) = try prepared(graph)
    guard plan.peakBytes <= memoryLimit, plan.multiplyAdds <= workLimit else { return }
    _ = try plan.run(types.mapValues { filled($0) })
  }

  private static func read(_ bytes: UnsafeRawBufferPointer) throws -> Graph {
    try GraphReader.read(bytes, weights: .leave).validated(.standard)
  }

  private static func prepared(_ graph: Graph) throws -> (plan: Plan, types: [String: TensorType]) {
    var types: [String: TensorType] = [:]
    for input in graph.requiredInputs {
      let type = input.type ?? TensorType(.float32, [2, 2])
      let dims = type.shape ?? [2, 2]
      types[input.name] = TensorType(type.dtype, dims.map { Dim.known($0.value ?? 2) })
    }
    let inputBytes = types.values.reduce(0) { $0 &+ ($1.byteCount ?? memoryLimit) }
    guard inputBytes >= 0, inputBytes <= memoryLimit else { throw DataError("the inputs are too large") }
    let preparation = try Preparation(
      graph, .standard, inputs: types, rewrites: [RuleSet.recognition, RuleSet.fusion], pool: pool)
    return (try Plan(preparation), types)
  }

  /// A tensor of small numbers.
  private static func filled(_ type: TensorType) -> Tensor {
    let shape = type.concreteShape ?? []
    let values = Tensor((0..<Shape.count(shape)).map { Float($0 % 3) }, shape: shape)
    return values.converted(to: type.dtype)
  }
}

extension Graph {
  /// Whether it repeats a body, which may be meant to take for ever.
  fileprivate var loops: Bool {
    nodes.contains { node in
      node.op == "Loop" || node.op == "Scan" || node.subgraphs.contains { $0.graph.loops }
    }
  }
}
