import Discriminative
import Foundation
import Synchronization

/// A request on its way through the queue; the queue's thread runs it, its connection watches it.
final class ScoreJob: Sendable {
  enum State: Sendable, Equatable {
    case waiting
    case running(done: Int, total: Int)
    /// The answer as JSON.
    case answered(Data)
    case failed(String)

    var isEnd: Bool {
      switch self {
      case .waiting, .running: false
      case .answered, .failed: true
      }
    }
  }

  let cancellation = Cancellation()
  /// Images × captions.
  let size: String
  private let asked: Mutex<ScoreRequest?>
  private let current = Mutex(State.waiting)

  init(_ request: ScoreRequest) {
    asked = Mutex(request)
    size = "\(request.images.count) × \(request.texts.count)"
  }

  /// What is asked for; given away once, so that its images take no memory longer than it is computed.
  func takeRequest() -> ScoreRequest? {
    asked.withLock { request in
      defer { request = nil }
      return request
    }
  }

  var state: State { current.withLock { $0 } }

  func move(to state: State) { current.withLock { $0 = state } }
}
