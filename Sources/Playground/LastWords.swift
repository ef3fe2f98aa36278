import FlyingSocks

/// A body after which the connection is closed: the server drops one whose body fails.
struct LastWords: AsyncBufferedSequence {
  typealias Element = UInt8
  private let text: [UInt8]

  init(_ text: [UInt8]) { self.text = text }

  func makeAsyncIterator() -> Iterator { Iterator(text: text) }

  struct Iterator: AsyncBufferedIteratorProtocol {
    fileprivate var text: [UInt8]?

    mutating func nextBuffer(suggested count: Int) async throws -> [UInt8]? {
      guard let now = text else { throw SocketError.disconnected }
      text = nil
      return now
    }

    mutating func next() async throws -> UInt8? { throw SocketError.disconnected }
  }
}
