/// Reads what the command line feeds a graph.
public struct GraphInputs {
  /// The values by name.
  public private(set) var feeds: [String: Tensor] = [:]

  private let path: String
  private let graph: Graph
  private var sources: [(name: String, source: InputSource)] = []
  private var extents: [String: Int]
  private let given: [String: Int]

  /// Parts the arguments and finds what they mean; nothing is read yet.
  /// - Parameters:
  ///   - path: the graph's file, for messages.
  /// - Throws: `UsageError` for malformed values, `DataError` for names that the graph does not have.
  public init(_ arguments: [NamedText], dims: [String: Int], of graph: Graph, at path: String) throws {
    self.path = path
    self.graph = graph
    extents = dims
    given = dims
    let listing = InputListing(graph)
    for name in dims.keys.sorted() where !listing.symbols.contains(name) {
      throw DataError("--dim: \(path) has no symbolic dimension '\(name)'\n\(listing.text())")
    }
    let values = graph.valueNames
    for argument in arguments {
      let (name, text) = argument.parted(by: values)
      guard values.contains(name) else {
        throw DataError(
          "\(path): has no value '\(name)' to feed\(listing.suggestion(name))\n\(listing.text())")
      }
      guard !sources.contains(where: { $0.name == name }) else {
        throw UsageError("--input \(name) is given twice")
      }
      do { sources.append((name, try InputSource(text))) } catch let error as UsageError {
        throw UsageError("--input \(name): \(error)")
      }
    }
  }

  /// Makes up the inputs of the given names.
  public mutating func add(_ names: [String], _ fill: InputFill) {
    sources += names.map { ($0, .fill(fill)) }
  }

  /// Names of what will be fed.
  public var names: Set<String> { Set(sources.map(\.name)) }

  /// Reads the files and makes the other values. Those that bring a shape of their own go first: symbolic dimensions
  /// that they settle need no `--dim`.
  /// - Throws: `DataError` that names the input.
  public mutating func read() throws {
    for stage in 0..<3 {
      for (name, source) in sources where source.stage == stage {
        let tensor: Tensor
        do {
          tensor = try value(source, for: name)
          try bind(tensor, to: declaration(of: name)?.shape)
        } catch let error as DataError {
          throw error.at("--input \(name)")
        }
        feeds[name] = tensor
      }
    }
  }

  private func value(_ source: InputSource, for name: String) throws -> Tensor {
    let type = settledType(of: name)
    switch source {
    case .npy(let file): return try NPYFile.read(path: file)
    case .safetensors(let file, let key):
      let tensors = try SafetensorsFile(path: file)
      let only = tensors.keys.count == 1 ? tensors.keys[0] : name
      return try tensors.tensor(key ?? (tensors.entries[name] != nil ? name : only))
    case .image(let file, let options):
      return try ImageInput(image: RGBImage(contentsOf: file), options: options)
        .tensor(type, declared: declaration(of: name))
    case .literal(let literal):
      let tensor = try literal.tensor(type?.dtype ?? literal.natural)
      guard literal.shape.isEmpty, type?.shape != nil else { return tensor }
      return Tensor.filled(tensor.dtype, try shape(of: type!), with: tensor)
    case .fill(let fill):
      guard let type else {
        guard let shape = fill.shape else {
          throw DataError("its shape is not declared: give it, as in \(fill.kind.rawValue)[1,3,64,64]")
        }
        return try fill.tensor(.float32, shape)
      }
      return try fill.tensor(type.dtype, fill.shape ?? shape(of: type))
    }
  }

  private func declaration(of name: String) -> TensorType? {
    graph.inputs.first { $0.name == name }?.type ?? graph.initializers[name]?.type
      ?? graph.valueTypes[name]
  }

  /// The type that the graph declares for a value, with the symbolic dimensions that are settled.
  private func settledType(of name: String) -> TensorType? {
    guard var type = declaration(of: name) else { return nil }
    type.shape = type.shape?.map { dim in
      if case .symbol(let symbol) = dim, let extent = extents[symbol] { return .known(extent) }
      return dim
    }
    return type
  }

  private func shape(of type: TensorType) throws -> [Int] {
    if let shape = type.concreteShape {
      guard let bytes = type.byteCount else { throw DataError("\(type) is too large") }
      try Storage.checkFits(bytes, "\(type)")
      return shape
    }
    let symbols = (type.shape ?? []).compactMap { dim -> String? in
      if case .symbol(let symbol) = dim { return symbol }
      return nil
    }
    guard let first = symbols.first, !(type.shape ?? []).contains(.unknown) else {
      throw DataError(
        "it is \(type), whose shape is not known: give a file, a list or a shape, as in zeros[1,3]")
    }
    throw DataError("it is \(type), and '\(first)' is not known: give --dim '\(first)=N'")
  }

  private mutating func bind(_ tensor: Tensor, to dims: [Dim]?) throws {
    guard let dims, dims.count == tensor.rank else { return }
    for (extent, dim) in zip(tensor.shape, dims) {
      guard case .symbol(let symbol) = dim else { continue }
      if let asked = given[symbol], asked != extent {
        throw DataError("its '\(symbol)' is \(extent), --dim says \(asked)")
      }
      extents[symbol] = extent
    }
  }
}

extension InputSource {
  /// When the value is made: after others that may settle its shape.
  fileprivate var stage: Int {
    switch self {
    case .npy, .safetensors: 0
    case .image: 1
    case .literal(let literal): literal.shape.isEmpty ? 2 : 0
    case .fill(let fill): fill.shape == nil ? 2 : 0
    }
  }
}
