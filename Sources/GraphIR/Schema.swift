/// What an operator's name promises: inputs, outputs, types and attributes.
public struct Schema: Sendable {
  public let name: String
  public let domain: String
  /// The first version of the domain whose form this is; older forms the operator reads are its own matter.
  public let since: Int
  public let inputs: [Parameter]
  public let outputs: [Parameter]
  /// Allowed element types of each type variable; a parameter without a variable takes any type.
  public let types: [String: Set<DType>]
  /// Known attributes with their defaults.
  public let attributes: [String: Default]

  public init(
    _ name: String, domain: String = "", since: Int, inputs: [Parameter], outputs: [Parameter],
    types: [String: Set<DType>] = [:], attributes: [String: Default] = [:]
  ) {
    self.name = name
    self.domain = domain
    self.since = since
    self.inputs = inputs
    self.outputs = outputs
    self.types = types
    self.attributes = attributes
  }

  /// A formal input or output, written as in ONNX's documentation: `"X: T"`, `"B?: T"` (optional),
  /// `"inputs*: T"` (any number), `"pads?11: T"` (optional before version 11; after `*`, entries may be left out
  /// before it), `"shape[1]: T"` (of rank 1).
  public struct Parameter: Sendable, ExpressibleByStringLiteral {
    public let name: String
    public let type: String?
    public let isOptional: Bool
    public let isVariadic: Bool
    /// The opset from which on an optional input must be given.
    public let requiredSince: Int?
    /// The rank that the input must have.
    public let rank: Int?

    public init(stringLiteral text: String) {
      let parts = text.split(separator: ":", maxSplits: 1)
      let form = parts[0]
      let end = form.firstIndex { "[?*".contains($0) } ?? form.endIndex
      name = String(form[..<end])
      let marks = form[end...]
      rank = marks.hasPrefix("[") ? marks.dropFirst().first?.wholeNumberValue : nil
      isVariadic = marks.contains("*")
      let optional = marks.firstIndex(of: "?")
      isOptional = optional != nil
      requiredSince = optional.flatMap { Int(marks[marks.index(after: $0)...]) }
      type = parts.count > 1 ? parts[1].trimmingPrefix { $0 == " " }.description : nil
    }
  }

  /// An attribute's default, or only its kind where there is none.
  public enum Default: Sendable {
    case int(Int)
    case float(Float)
    case string(String)
    case ints([Int])
    case floats([Float])
    case strings([String])
    /// No default: the attribute is optional or checked by the operator.
    case none

    var attribute: Attribute? {
      switch self {
      case .int(let value): .int(value)
      case .float(let value): .float(value)
      case .string(let value): .string(value)
      case .ints(let value): .ints(value)
      case .floats(let value): .floats(value)
      case .strings(let value): .strings(value)
      case .none: nil
      }
    }
  }

  /// The formal parameter at a position, variadic tails included.
  public func input(_ position: Int) -> Parameter? {
    position < inputs.count ? inputs[position] : inputs.last.flatMap { $0.isVariadic ? $0 : nil }
  }
}

extension Set<DType> {
  public static let floats: Set<DType> = [.float16, .bfloat16, .float32, .float64]
  public static let integers: Set<DType> = [
    .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64,
  ]
  public static let numbers: Set<DType> = floats.union(integers)
  /// The types that operators compute with.
  public static let all: Set<DType> = numbers.union([.bool])
  /// All of them, and those that are only stored, moved and converted.
  public static let storable = Set(DType.allCases)
  /// Shapes, axes and indices.
  public static let indices: Set<DType> = [.int32, .int64]
}
