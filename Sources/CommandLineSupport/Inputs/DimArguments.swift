/// Extents of symbolic dimensions.
public struct DimArguments: ParsableArguments {
  @Option(help: ArgumentHelp("The extent of a symbolic dimension.", valueName: "name=n"))
  public var dim: [String] = []

  public init() {}

  public func validate() throws { _ = try parsed() }

  /// Extents by the dimension's name.
  public func extents() -> [String: Int] { (try? parsed()) ?? [:] }

  /// A type with every extent known: symbolic ones as `--dim` says, the others 1 along the first axis and 64 along the
  /// rest. Nil when the rank is not known.
  public func settled(_ type: TensorType?) -> TensorType? {
    guard let type, let shape = type.shape else { return nil }
    let extents = extents()
    return TensorType(
      type.dtype,
      shape.enumerated().map { axis, dim -> Int in
        if case .symbol(let name) = dim, let extent = extents[name] { return extent }
        return dim.value ?? (axis == 0 ? 1 : 64)
      })
  }

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
