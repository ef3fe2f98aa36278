/// A value made up for a shape: `zeros`, `ones`, `random`, `random:7`; with a shape of its own `zeros[2,3]`,
/// `random[2,3]:7`.
public struct InputFill: Sendable, ExpressibleByArgument {
  enum Kind: String { case zeros, ones, random }

  let kind: Kind
  let seed: UInt64
  /// The shape, where the text tells one.
  let shape: [Int]?

  /// - Returns: nil when the text is something else.
  /// - Throws: `UsageError` for a wrong shape or seed.
  init?(_ text: String) throws {
    let word = text.prefix { $0.isLetter }
    guard let kind = Kind(rawValue: String(word)) else { return nil }
    var rest = text[word.endIndex...]
    var shape: [Int]?
    if rest.first == "[" {
      guard let end = rest.firstIndex(of: "]"),
        case let parts = rest[rest.index(after: rest.startIndex)..<end].split(separator: ","),
        case let extents = parts.compactMap({ Int($0.filter { $0 != " " }) }),
        extents.count == parts.count, extents.count <= 64, extents.allSatisfy({ $0 >= 0 }),
        Shape.checkedCount(extents) != nil
      else { throw UsageError("'\(text)' has no shape such as [1,3,64,64] after '\(kind.rawValue)'") }
      shape = extents
      rest = rest[rest.index(after: end)...]
    }
    var seed: UInt64 = 0
    if !rest.isEmpty {
      guard kind == .random, rest.first == ":", let number = UInt64(rest.dropFirst()) else { return nil }
      seed = number
    }
    self.kind = kind
    self.seed = seed
    self.shape = shape
  }

  public init?(argument: String) {
    guard let fill = try? InputFill(argument), fill.shape == nil else { return nil }
    self = fill
  }

  /// The value of a type whose shape is known.
  ///
  /// Random floats are those of `torch.manual_seed(seed); torch.randn(shape)`. Random 8-bit integers have their whole
  /// range, other integers and bools are 0 or 1.
  /// - Throws: `DataError` when it does not fit the machine.
  func tensor(_ dtype: DType, _ shape: [Int]) throws -> Tensor {
    guard let bytes = TensorType(dtype, shape).byteCount else {
      throw DataError("a \(dtype) tensor \(Shape.text(shape)) is too large")
    }
    try Storage.checkFits(bytes, "a \(dtype) tensor \(Shape.text(shape))")
    switch kind {
    case .zeros: return Tensor.zeros(dtype, shape)
    case .ones: return Tensor.filled(dtype, shape, with: Tensor(scalar: UInt8(1)))
    case .random:
      guard dtype.isInteger || dtype == .bool else {
        return randn(seed: seed, shape: shape).converted(to: dtype)
      }
      // The signs of the normals are fair coins.
      let isByte = dtype.size == 1 && dtype.isInteger
      let bits = isByte ? 8 : 1
      try Storage.checkFits(Shape.count(shape) * bits * 4, "making random \(dtype)\(Shape.text(shape))")
      let normals = randn(seed: seed, shape: [Shape.count(shape) * bits])
      let signs = normals.pointer(as: Float.self)
      let bytes = Tensor(.uint8, shape)
      for i in 0..<bytes.count {
        var value: UInt8 = 0
        for bit in 0..<bits { value = value << 1 | (signs[i * bits + bit] < 0 ? 1 : 0) }
        bytes.pointer(as: UInt8.self)[i] = value
      }
      return bytes.converted(to: dtype)
    }
  }
}

extension Tensor {
  /// A tensor of one value, that of a scalar tensor of any type.
  static func filled(_ dtype: DType, _ shape: [Int], with scalar: Tensor) -> Tensor {
    let result = Tensor(dtype, shape)
    let one = scalar.converted(to: dtype)
    for i in 0..<result.count {
      (result.pointer + i * dtype.size).copyMemory(from: one.pointer, byteCount: dtype.size)
    }
    return result
  }
}
