import Synchronization

/// A wish to end a run before it is done. Any thread may tell it; runs look for it before every node.
public final class Cancellation: Sendable {
  private let flag = Atomic(false)

  public init() {}

  public func cancel() { flag.store(true, ordering: .relaxed) }

  public var isCancelled: Bool { flag.load(ordering: .relaxed) }

  /// - Throws: `CancellationError` once the wish has been told.
  public func check() throws { if isCancelled { throw CancellationError() } }
}
