/// `NAME=TEXT` on the command line, about a value of a graph.
///
/// Names of values and paths may both hold `=`, so the two are parted when the graph is known.
public struct NamedText: ExpressibleByArgument {
  private let argument: String

  public init?(argument: String) {
    guard let first = argument.firstIndex(of: "="), first > argument.startIndex, argument.last != "=" else {
      return nil
    }
    self.argument = argument
  }

  /// Parts at the last `=` after one of the names, at the first where no name fits.
  public func parted(by names: Set<String>) -> (name: String, text: String) {
    let places = argument.indices.dropFirst().filter { argument[$0] == "=" }
    let place = places.last { names.contains(String(argument[..<$0])) } ?? places[0]
    return (String(argument[..<place]), String(argument[argument.index(after: place)...]))
  }
}
