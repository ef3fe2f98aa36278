import Dispatch
import Synchronization

/// Runs jobs one after the other, in the order in which they came.
final class JobQueue: Sendable {
  private let jobs = Mutex<[ScoreJob]>([])
  private let worker = DispatchQueue(label: "dsd.playground")
  private let limit: Int
  private let run: @Sendable (ScoreJob) -> Void
  private let left: @Sendable (ScoreJob) -> Void

  /// - Parameters:
  ///   - limit: jobs that may wait.
  ///   - run: leaves the job in a state that is an end.
  ///   - left: told of a job that was given up while it waited.
  init(
    limit: Int, run: @escaping @Sendable (ScoreJob) -> Void,
    left: @escaping @Sendable (ScoreJob) -> Void = { _ in }
  ) {
    self.limit = limit
    self.run = run
    self.left = left
  }

  /// - Returns: whether there was room for it.
  func add(_ job: ScoreJob) -> Bool {
    jobs.withLock { jobs in
      guard jobs.count <= limit else { return false }
      jobs.append(job)
      worker.async { self.runFirst() }
      return true
    }
  }

  /// The first stays in its place while it runs; there may be none when some were given up.
  private func runFirst() {
    guard let job = jobs.withLock({ $0.first }) else { return }
    run(job)
    jobs.withLock { $0.removeAll { $0 === job } }
  }

  /// Nobody waits for the job any more: it ends where it is, or is not begun.
  func abandon(_ job: ScoreJob) {
    job.cancellation.cancel()
    let waited = jobs.withLock { jobs in
      guard let place = jobs.firstIndex(where: { $0 === job }), place > 0 else { return false }
      jobs.remove(at: place)
      return true
    }
    if waited { left(job) }
  }

  /// How many jobs come before this one.
  func place(of job: ScoreJob) -> Int {
    jobs.withLock { jobs in jobs.firstIndex { $0 === job } ?? 0 }
  }
}
