import Foundation
import Interpreter

/// Gives places to workers, each on a thread of its own, and takes their results in order.
final class EvaluationQueue {
  private let lock = NSLock()
  private var idle: [EvaluationWorker]
  private let workers: Int
  private let keep: (Int, MatchingTerms) throws -> Void
  /// Results that wait for an earlier one.
  private var waiting: [Int: MatchingTerms?] = [:]
  private var next = 0
  private var failure: (any Error)?

  /// - Parameter keep: called in the order of places, by one thread at a time.
  init(_ workers: [EvaluationWorker], keep: @escaping (Int, MatchingTerms) throws -> Void) {
    idle = workers
    self.workers = workers.count
    self.keep = keep
  }

  /// Works off `count` places.
  /// - Parameters:
  ///   - body: computes a place's terms with a worker; nil when there are none to keep.
  ///   - finished: called when they are there, by one thread at a time.
  /// - Throws: the first error. What other workers had begun is finished and kept.
  func run(
    _ count: Int, body: (Int, EvaluationWorker) throws -> MatchingTerms?,
    finished: (Int, MatchingTerms?) -> Void
  ) throws {
    let pool = ThreadPool(threads: workers)
    pool.forEach(count) { place in
      let worker = lock.withLock { failure == nil ? idle.removeLast() : nil }
      guard let worker else { return }
      let result = Swift.Result { try body(place, worker) }
      lock.withLock {
        idle.append(worker)
        do {
          let terms = try result.get()
          waiting[place] = .some(terms)
          try keepReady()
          finished(place, terms)
        } catch {
          if failure == nil { failure = error }
        }
      }
    }
    // After a failure there are results behind the one that is missing.
    for place in waiting.keys.sorted() { if let terms = waiting[place]! { try keep(place, terms) } }
    waiting = [:]
    if let failure { throw failure }
  }

  private func keepReady() throws {
    while let terms = waiting[next] {
      if let terms { try keep(next, terms) }
      waiting[next] = nil
      next += 1
    }
  }
}
