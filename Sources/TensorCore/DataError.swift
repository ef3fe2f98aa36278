/// Bad input data: a file, a graph, a tensor or a caption that cannot be used.
///
/// The message is one line that names the file, the node or the flag. The command-line programs print
/// it and exit with code 65.
public struct DataError: Error, Sendable, Equatable, CustomStringConvertible {
  public let message: String

  public init(_ message: String) { self.message = message }

  public var description: String { message }

  /// The same error with the place where it happened in front: `place: message`.
  public func at(_ place: String) -> DataError { DataError("\(place): \(message)") }
}
