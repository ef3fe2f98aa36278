import FlyingSocks
import Foundation

/// A job as the body of a response: how far it is, at least four times a second, and in the end its answer.
///
/// What is written to a client that has gone fails, the server drops the body, and with it goes the job: nobody waits for
/// it any more.
struct JobLines: AsyncBufferedSequence {
  typealias Element = UInt8

  enum Form: Sendable {
    /// A JSON object on each line: `queued`, `progress`, and `result` or `error` in the last.
    case lines
    /// One JSON object; empty lines before it say that it is on its way.
    case object
  }

  private let lease: Lease
  private let form: Form
  private let queue: JobQueue

  init(_ job: ScoreJob, _ form: Form, _ queue: JobQueue) {
    lease = Lease(job, queue)
    self.form = form
    self.queue = queue
  }

  /// Lives as long as someone may read the answer.
  fileprivate final class Lease: Sendable {
    let job: ScoreJob
    private let queue: JobQueue

    init(_ job: ScoreJob, _ queue: JobQueue) {
      self.job = job
      self.queue = queue
    }

    deinit { queue.abandon(job) }
  }

  func makeAsyncIterator() -> Iterator { Iterator(lease: lease, form: form, queue: queue) }

  struct Iterator: AsyncBufferedIteratorProtocol {
    fileprivate let lease: Lease
    fileprivate let form: Form
    fileprivate let queue: JobQueue
    private var last: [UInt8] = []
    private var isOver = false

    fileprivate init(lease: Lease, form: Form, queue: JobQueue) {
      self.lease = lease
      self.form = form
      self.queue = queue
    }

    /// Looks so often for something new, and tells the old again after so many looks.
    private static let pause = Duration.milliseconds(20)
    private static let looks = 10

    mutating func nextBuffer(suggested count: Int) async throws -> [UInt8]? {
      guard !isOver else { return nil }
      for look in 0...Self.looks {
        let state = lease.job.state
        isOver = state.isEnd
        let line = text(of: state)
        if isOver || line != last || look == Self.looks {
          last = line
          return line
        }
        try await Task.sleep(for: Self.pause)
      }
      return last
    }

    /// By single bytes; the server takes whole lines.
    mutating func next() async throws -> UInt8? {
      if place == bytes.count { (bytes, place) = (try await nextBuffer(suggested: 1) ?? [], 0) }
      guard place < bytes.count else { return nil }
      defer { place += 1 }
      return bytes[place]
    }

    private var bytes: [UInt8] = []
    private var place = 0

    private func text(of state: ScoreJob.State) -> [UInt8] {
      let lines = form == .lines
      switch state {
      case .waiting: return Array((lines ? "{\"queued\":\(queue.place(of: lease.job))}\n" : "\n").utf8)
      case .running(let done, let total):
        return Array((lines ? "{\"progress\":[\(done),\(total)]}\n" : "\n").utf8)
      case .answered(let answer):
        return lines ? Array("{\"result\":".utf8) + answer + Array("}\n".utf8) : answer + Array("\n".utf8)
      case .failed(let reason): return PlaygroundServer.errorText(reason) + Array("\n".utf8)
      }
    }
  }
}
