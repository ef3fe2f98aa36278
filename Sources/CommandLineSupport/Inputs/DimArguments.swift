/// Extents of symbolic dimensions.
public struct DimArguments: ParsableArguments {
  @Option(help: ArgumentHelp("The extent of a symbolic dimension.", valueName: "name=n"))
  public var dim: [String] = []

  public init() {}

  public func validate() throws { _ = try parsed() }

  /// Extents by the dimension's name.
  public func extents() -> [String: Int] { (try? parsed()) ?? [:] }

  private func parsed() throws -> [String: Int] {
    var result: [String: Int] = [:]
    for item in dim {
      guard let split = item.lastIndex(of: "="), split > item.startIndex,
        let value = Int(item[item.index(after: split)...]), value >= 0, value <= 1 << 24
      else { throw ValidationError("--dim: '\(item)' is not NAME=NUMBER") }
      guard result.updateValue(value, forKey: String(item[..<split])) == nil else {
        throw ValidationError("--dim: '\(item[..<split])' is given twice")
      }
    }
    return result
  }
}
