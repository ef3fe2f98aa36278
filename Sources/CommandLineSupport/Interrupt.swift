import Dispatch
import Foundation

/// A wish to stop, by Ctrl-C: the first one asks, the second ends the program at once.
public final class Interrupt: @unchecked Sendable {
  private let lock = NSLock()
  private var count = 0
  private let source: any DispatchSourceSignal

  /// From now on the first SIGINT does not end the program.
  public init() {
    signal(SIGINT, SIG_IGN)
    source = DispatchSource.makeSignalSource(signal: SIGINT, queue: .global())
    source.setEventHandler { [weak self] in self?.note() }
    source.resume()
  }

  private func note() {
    let count = lock.withLock {
      self.count += 1
      return self.count
    }
    if count > 1 { exit(130) }
    Terminal.note("note: finishing this step (Ctrl-C again: at once)")
  }

  public var isAsked: Bool { lock.withLock { count > 0 } }

  deinit {
    source.cancel()
    signal(SIGINT, SIG_DFL)
  }
}
