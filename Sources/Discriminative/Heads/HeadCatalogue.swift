import Foundation

extension Head {
  /// The heads that have a name. A further one is a file with its type, and a line here.
  public static let known: [any HeadDefinition] = [
    MeanHead(), LayerWeightsHead(), DynamicHeadWeightsHead(), MLPHead(),
  ]

  /// The head of a name.
  /// - Throws: `DataError` when there is none.
  public init(named name: String) throws {
    guard let definition = Head.known.first(where: { $0.name == name }) else {
      throw DataError("there is no head '\(name)'; there are \(Head.names), or give a file (.pb, .onnx)")
    }
    try self.init(definition)
  }

  /// A head by its name or its graph file.
  /// - Throws: `DataError` that names the file.
  public init(_ nameOrFile: String) throws {
    guard nameOrFile.contains("/") || nameOrFile.contains(".") else {
      try self.init(named: nameOrFile)
      return
    }
    do {
      try self.init(try GraphReader.read(path: nameOrFile).validated(.standard))
    } catch let error as DataError {
      throw error.message.hasPrefix(nameOrFile) ? error : error.at(nameOrFile)
    }
  }

  static var names: String { known.map(\.name).joined(separator: ", ") }
}
