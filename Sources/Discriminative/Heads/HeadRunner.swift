import Foundation
import GraphIR
import Interpreter
import Operators

/// Runs a head on the terms of pairs; it may be asked from several threads.
public final class HeadRunner: @unchecked Sendable, Equatable {
  public let head: Head
  /// Grown to the extents of the terms that it met first.
  private var grown: Head?
  private let pool: ThreadPool
  private let lock = NSLock()
  private var plans: [[String: TensorType]: Plan] = [:]

  public init(_ head: Head, pool: ThreadPool = ThreadPool(threads: 1)) {
    self.head = head
    self.pool = pool
  }

  public static func == (a: HeadRunner, b: HeadRunner) -> Bool { a === b || a.head == b.head }

  /// A score for each pair.
  /// - Throws: `DataError` when the head asks for what the terms do not have.
  public func scores(_ terms: HeadTerms) throws -> [Double] {
    try lock.withLock {
      if grown == nil { grown = try head.grown(to: terms.extents(for: head)) }
      let inputs = try HeadRunner.inputs(of: head, terms)
      let types = inputs.mapValues { TensorType($0.dtype, $0.shape) }
      if plans[types] == nil {
        plans[types] = try Plan(
          Preparation(grown!.graph, .standard, inputs: types, outputs: [Head.output], pool: pool))
      }
      let scores = try plans[types]!.run(inputs)[Head.output]!
      let repeats = head.values.isEmpty ? 1 : terms.timesteps
      guard scores.dtype == .float32, scores.shape == [terms.pairs * repeats] else {
        throw DataError(
          "head '\(head.name)': '\(Head.output)' is \(scores.dtype)\(Shape.text(scores.shape)), not float32["
            + "\(terms.pairs * repeats)]")
      }
      let values = scores.array(of: Float.self)
      return (0..<terms.pairs).map { pair in
        (0..<repeats).reduce(0.0) { $0 + Double(values[pair * repeats + $1]) } / Double(max(repeats, 1))
      }
    }
  }

  /// The tensors that a head is fed: as they are, or with every timestep as a pair of its own where the head reads
  /// values of the pipeline.
  static func inputs(of head: Head, _ terms: HeadTerms) throws -> [String: Tensor] {
    let isPerTimestep = !head.values.isEmpty
    return try head.graph.requiredInputs.reduce(into: [:]) { inputs, input in
      guard let tensor = terms[input.name] else {
        throw DataError("head '\(head.name)' reads '\(input.name)', which this run does not have")
      }
      let isTerm = Head.Term(rawValue: input.name) != nil
      let rows = terms.pairs * terms.timesteps
      inputs[input.name] =
        isPerTimestep
        ? tensor.reshaped([rows] + (isTerm ? [1] : []) + tensor.shape.dropFirst(2)) : tensor
    }
  }
}
