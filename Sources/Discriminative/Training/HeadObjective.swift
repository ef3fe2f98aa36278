import GraphIR
import Interpreter
import Operators
import OrderedCollections
import Rewrites

/// The loss of a head on frozen terms: what the model says about each item has been computed once, and a step is a run of
/// the head's small graph with its loss and their gradient.
public final class HeadObjective: TrainingObjective {
  /// Grown to the extents of the terms.
  public let head: Head
  public let loss: TrainingLoss
  private let terms: (Int) throws -> HeadTerms
  private let training: Graph
  private let pool: ThreadPool
  private var plans: [Key: Plan] = [:]

  private struct Key: Hashable {
    let examples, candidates: Int
    let wantsGradients: Bool
  }

  /// - Parameters:
  ///   - terms: those of all pairs of an item, image by image, by the item's place.
  /// - Throws: `DataError` when the head learns nothing, or does not fit the terms.
  public init(
    _ head: Head, loss: TrainingLoss, pool: ThreadPool = ThreadPool(threads: 1),
    terms: @escaping (Int) throws -> HeadTerms
  ) throws {
    guard !head.learned.isEmpty else { throw DataError("head '\(head.name)' has nothing to learn") }
    let first = try terms(0)
    self.head = try head.grown(to: first.extents(for: head))
    self.loss = loss
    self.terms = terms
    self.pool = pool
    training = try HeadObjective.graph(self.head, loss)
  }

  public var parameters: OrderedDictionary<String, Tensor> { head.parameters }

  // MARK: The graph

  private static let scope = "head"
  private static func input(_ name: String) -> String { "terms/\(name)" }

  /// The head with the loss of its scores: `scores` and `mask` are `[examples, candidates]`, `losses` is `[examples]`
  /// and `loss` their mean. A head that runs for each timestep has that many rows for a pair.
  private static func graph(_ head: Head, _ loss: TrainingLoss) throws -> Graph {
    let g = GraphBuilder()
    var binding: [String: Value] = [:]
    for info in head.graph.requiredInputs {
      binding[info.name] = g.input(input(info.name), .float32, info.type?.shape ?? [])
    }
    let mask = g.input("mask", .float32, ["examples", "candidates"])
    let rows = try g.embed(head.graph, scope: scope, binding: binding)[Head.output]!
    let shape = g.Concat(
      g.Shape(mask), g.ints([-1]), attributes: ["axis": .int(0)], name: "shape")
    let scores = g.ReduceMean(
      g.Reshape(rows, shape), g.ints([2]), attributes: ["keepdims": .int(0)], name: "pairs")
    let losses = loss.write(scores, mask: mask, in: g)
    g.output(scores, as: "scores", nil)
    g.output(losses, as: "losses", nil)
    g.output(g.ReduceMean(losses, attributes: ["keepdims": .int(0)]), as: "loss", nil)
    return g.graph
  }

  // MARK: Runs

  /// Draws play no part: the terms are those of fixed timesteps and noise.
  public func evaluate(
    _ batch: [TrainingExample], draws: [StepDraw], parameters: [String: Tensor], wantsGradients: Bool
  ) throws -> BatchResult {
    let candidates = batch.map(\.pairs.count).max() ?? 0
    var rows: [(terms: HeadTerms, row: Int)?] = []
    var mask = [Float](repeating: TrainingLoss.absent, count: batch.count * candidates)
    for (place, example) in batch.enumerated() {
      let own = try terms(example.itemIndex)
      for candidate in 0..<candidates {
        guard candidate < example.pairs.count else {
          rows.append(nil)
          continue
        }
        let pair = example.pairs[candidate]
        rows.append((own, pair.image * example.item.texts.count + pair.text))
        mask[place * candidates + candidate] = 0
      }
    }
    let gathered = HeadTerms.gather(rows, like: try terms(batch[0].itemIndex))
    var feeds: [String: Tensor] = ["mask": Tensor(mask, shape: [batch.count, candidates])]
    for (name, tensor) in try HeadRunner.inputs(of: head, gathered) {
      feeds[HeadObjective.input(name)] = tensor
    }
    for (name, tensor) in parameters { feeds["\(HeadObjective.scope)/\(name)"] = tensor }
    let key = Key(examples: batch.count, candidates: candidates, wantsGradients: wantsGradients)
    if plans[key] == nil { plans[key] = try plan(feeds, wantsGradients) }
    let results = try plans[key]!.run(feeds)

    let losses = results["losses"]!.array(of: Float.self)
    let scores = results["scores"]!.array(of: Float.self)
    var result = BatchResult(
      examples: batch.enumerated().map { place, example in
        let start = place * candidates
        return .init(
          loss: Double(losses[place]),
          scores: scores[start..<start + example.pairs.count].map { Double($0) })
      })
    guard wantsGradients else { return result }
    for name in parameters.keys {
      result.gradients[name] = results[Gradient.name("\(HeadObjective.scope)/\(name)")]!
    }
    return result
  }

  private func plan(_ feeds: [String: Tensor], _ wantsGradients: Bool) throws -> Plan {
    let learned = head.learned.map { "\(HeadObjective.scope)/\($0.name)" }
    return try Plan(
      Preparation(
        training, .standard, inputs: feeds.mapValues { TensorType($0.dtype, $0.shape) },
        outputs: ["scores", "losses"],
        rewrites: wantsGradients ? [Gradient(of: "loss", wrt: learned)] : [], pool: pool))
  }
}
