import OrderedCollections

/// A named value with its declared type, if any.
public struct ValueInfo: Sendable, Equatable {
  public var name: String
  public var type: TensorType?
  /// The declared type of a value that is no plain tensor.
  public var container: ContainerType?

  public init(_ name: String, _ type: TensorType?) {
    self.name = name
    self.type = type
  }

  public init(_ name: String, container: ContainerType) {
    self.name = name
    self.container = container
  }
}

/// Where an initializer's bytes are, relative to the folder of the graph file.
public struct ExternalLocation: Sendable, Hashable {
  public var path: String
  public var offset: Int
  public var length: Int

  public init(path: String, offset: Int, length: Int) {
    self.path = path
    self.offset = offset
    self.length = length
  }
}

/// A constant that the graph carries or points at.
public struct Initializer: Sendable, Equatable {
  public var dtype: DType
  public var shape: [Int]
  /// The elements; nil in a graph whose weights have not been bound yet.
  public var tensor: Tensor?
  /// Set when the bytes live outside the graph file.
  public var external: ExternalLocation?

  public init(_ tensor: Tensor, external: ExternalLocation? = nil) {
    dtype = tensor.dtype
    shape = tensor.shape
    self.tensor = tensor
    self.external = external
  }

  public init(dtype: DType, shape: [Int], external: ExternalLocation, tensor: Tensor? = nil) {
    self.dtype = dtype
    self.shape = shape
    self.external = external
    self.tensor = tensor
  }

  public var type: TensorType { TensorType(dtype, shape) }

  public static func == (a: Initializer, b: Initializer) -> Bool {
    guard a.dtype == b.dtype, a.shape == b.shape, a.external == b.external else { return false }
    switch (a.tensor, b.tensor) {
    case (nil, nil): return true
    case (let x?, let y?): return x.isIdentical(to: y)
    // External bytes may be bound on one side only.
    default: return a.external != nil
    }
  }
}

/// A computation as data: inputs, constants, nodes and outputs, ONNX's `ModelProto` and `GraphProto` in one.
///
/// A value is a name. Every name is made once: by an input, an initializer or a node's output.
public struct Graph: Sendable, Equatable {
  public var name: String
  /// Imported operator sets: domain to version. `""` is ONNX's default domain.
  public var opsets: [String: Int]
  public var irVersion: Int
  public var producer: String
  public var inputs: [ValueInfo]
  public var outputs: [ValueInfo]
  public var initializers: OrderedDictionary<String, Initializer>
  public var nodes: [Node]
  /// Declared types of intermediate values; hints that validation checks against inference.
  public var valueTypes: [String: TensorType]
  /// ONNX's model-level `metadata_props`.
  public var metadata: [String: String]

  public init(
    name: String = "graph", opsets: [String: Int] = ["": 23], irVersion: Int = 10,
    producer: String = "dsd"
  ) {
    self.name = name
    self.opsets = opsets
    self.irVersion = irVersion
    self.producer = producer
    inputs = []
    outputs = []
    initializers = [:]
    nodes = []
    valueTypes = [:]
    metadata = [:]
  }

  /// The version of the domain, if imported. Our own domain needs no import.
  public func opset(of domain: String) -> Int? {
    opsets[domain] ?? (domain == "ai.onnx" ? opsets[""] : domain == "dsd" ? 1 : nil)
  }

  /// Inputs that a caller must give: those without an initializer as default.
  public var requiredInputs: [ValueInfo] { inputs.filter { initializers[$0.name] == nil } }

  /// The number of elements in all initializers.
  public var parameterCount: Int { initializers.values.reduce(0) { $0 + Shape.count($1.shape) } }

  /// Bytes of all initializers.
  public var parameterBytes: Int { initializers.values.reduce(0) { $0 + ($1.type.byteCount ?? 0) } }
}
