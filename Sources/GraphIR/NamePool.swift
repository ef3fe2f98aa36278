/// Names that are taken. Builders that write parts of one graph share a pool.
public final class NamePool {
  private var taken: Set<String>

  public init(_ taken: Set<String> = []) { self.taken = taken }

  /// Takes a name; false when it was taken already.
  @discardableResult
  public func claim(_ name: String) -> Bool { taken.insert(name).inserted }
}
