import Foundation
import Interpreter

/// Gives places to workers, each on a thread of its own, and takes their results in order.
final class EvaluationQueue<Output> {
  private let lock = NSLock()
  private var idle: [EvaluationWorker]
  private let workers: Int
  private let keep: (Int, Output) throws -> Void
  /// Results that wait for an earlier one.
  private var waiting: [Int: Output?] = [:]
  private var next = 0
  private var failure: (any Error)?

  /// - Parameter keep: called in the order of places, by one thread at a time.
  init(_ workers: [EvaluationWorker], keep: @escaping (Int, Output) throws -> Void) {
    idle = workers
    self.workers = workers.count
    self.keep = keep
  }

  /// Works off `count` places.
  /// - Parameters:
  ///   - body: computes what is to be kept of a place with a worker; nil when there is nothing.
  ///   - finished: called when it is there, by one thread at a time.
  /// - Throws: the first error. What other workers had begun is finished and kept.
  func run(
    _ count: Int, body: (Int, EvaluationWorker) throws -> Output?,
    finished: (Int) throws -> Void
  ) throws {
    let pool = ThreadPool(threads: workers)
    pool.forEach(count) { place in
      let worker = lock.withLock { failure == nil ? idle.removeLast() : nil }
      guard let worker else { return }
      let result = Swift.Result { try body(place, worker) }
      lock.withLock {
        idle.append(worker)
        do {
          waiting[place] = .some(try result.get())
          try keepReady()
          try finished(place)
        } catch {
          if failure == nil { failure = error }
        }
      }
    }
    // After a failure there are results behind the one that is missing.
    for place in waiting.keys.sorted() { if let output = waiting[place]! { try keep(place, output) } }
    waiting = [:]
    if let failure { throw failure }
  }

  private func keepReady() throws {
    while let output = waiting[next] {
      if let output { try keep(next, output) }
      waiting[next] = nil
      next += 1
    }
  }
}
