import CGraphProto
import GraphIR

/// Turns `TensorProto` and `TypeProto` into tensors and types.
enum TensorReading {
  /// The tensor's elements, or where they are. Bytes are taken out of the message: read it once.
  /// - Throws: `DataError` without the tensor's name.
  static func initializer(_ proto: UnsafeMutablePointer<Dsd__TensorProto>) throws -> Initializer {
    let dtype = try elementType(proto.pointee.data_type)
    try checkRank(proto.pointee.n_dims)
    let shape = numbers(proto.pointee.n_dims, proto.pointee.dims).map { Int($0) }
    guard let count = Shape.checkedCount(shape),
      let length = dtype.fileByteCount(count)
    else { throw DataError("the shape \(Shape.text(shape)) is not possible") }
    guard proto.pointee.segment == nil else { throw DataError("tensors in segments are not supported") }
    if proto.pointee.data_location == DSD__TENSOR_PROTO__DATA_LOCATION__EXTERNAL {
      return Initializer(dtype: dtype, shape: shape, external: try location(proto.pointee, length: length))
    }
    if proto.pointee.has_raw_data != 0, proto.pointee.raw_data.len > 0 || length == 0 {
      guard proto.pointee.raw_data.len == length else {
        throw DataError(
          "\(proto.pointee.raw_data.len) bytes are not a \(dtype) tensor \(Shape.text(shape)) "
            + "(\(length) bytes)")
      }
      let bytes = WireMemory.take(&proto.pointee.raw_data)
      if dtype.bits < 8 {
        return Initializer(Tensor(dtype, shape, unpacking: .init(start: bytes.base, count: length)))
      }
      let tensor = try Tensor(dtype, shape, in: bytes, at: 0)
      if dtype == .bool { tensor.normaliseBools() }
      return Initializer(tensor)
    }
    return Initializer(try typed(proto.pointee, dtype, shape, count))
  }

  /// - Throws: `DataError` for types that are not supported, by their name.
  static func elementType(_ code: Int32) throws -> DType {
    if let dtype = DType(rawValue: code) { return dtype }
    let names: [Int32: String] = [8: "string", 14: "complex64", 15: "complex128"]
    throw DataError("the element type \(names[code] ?? "\(code)") is not supported")
  }

  /// A value with the type that is declared for it, if any.
  /// - Throws: `DataError` for maps and other kinds that are not supported.
  static func info(_ name: String, _ proto: UnsafeMutablePointer<Dsd__TypeProto>?) throws -> ValueInfo {
    var proto = proto
    var containers: [Container] = []
    while true {
      if let sequence = proto?.pointee.sequence_type {
        containers.append(.sequence)
        proto = sequence.pointee.elem_type
      } else if let optional = proto?.pointee.optional_type {
        containers.append(.optional)
        proto = optional.pointee.elem_type
      } else {
        break
      }
    }
    let type = try type(proto)
    if containers.isEmpty { return ValueInfo(name, type) }
    switch containers {
    case [.sequence]: return ValueInfo(name, container: ContainerType(.sequence, of: type))
    case [.optional]: return ValueInfo(name, container: ContainerType(.optional, of: type))
    case [.optional, .sequence]:
      return ValueInfo(name, container: ContainerType(.optionalSequence, of: type))
    default: throw DataError("is a container of containers, which is not supported")
    }
  }

  private enum Container { case sequence, optional }

  /// The type of a value, or nil when none is declared.
  /// - Throws: `DataError` for anything but tensors.
  private static func type(_ proto: UnsafeMutablePointer<Dsd__TypeProto>?) throws -> TensorType? {
    guard let proto = proto?.pointee else { return nil }
    let others: [(Bool, String)] = [
      (proto.has_map_type != 0, "a map"), (proto.has_opaque_type != 0, "opaque"),
      (proto.has_sparse_tensor_type != 0, "a sparse tensor"),
    ]
    if let (_, kind) = others.first(where: \.0) {
      throw DataError("is \(kind), only tensors, sequences and optionals of them are supported")
    }
    guard let tensor = proto.tensor_type?.pointee, tensor.elem_type != 0 else { return nil }
    let dtype = try elementType(tensor.elem_type)
    guard let shape = tensor.shape?.pointee else { return TensorType(dtype, nil as [Dim]?) }
    try checkRank(shape.n_dim)
    let dims = try list(shape.n_dim, shape.dim).map { dim -> Dim in
      if dim.pointee.has_dim_value != 0 {
        // Exporters write -1 for "any".
        return dim.pointee.dim_value < 0 ? .unknown : .known(Int(dim.pointee.dim_value))
      }
      // Paddle's exporter writes "?" for "any", of several extents that need not be the same.
      let name = try text(dim.pointee.dim_param)
      return name.isEmpty || name == "?" ? .unknown : .symbol(name)
    }
    return TensorType(dtype, dims)
  }

  private static func checkRank(_ rank: Int) throws {
    guard rank <= TensorType.rankLimit else {
      throw DataError("has \(rank) axes, more than \(TensorType.rankLimit)")
    }
  }

  private static func location(_ proto: Dsd__TensorProto, length: Int) throws -> ExternalLocation {
    let entries = try properties(proto.n_external_data, proto.external_data)
    guard let path = entries["location"], !path.isEmpty else {
      throw DataError("the external data has no location")
    }
    func number(_ key: String) throws -> Int? {
      guard let text = entries[key] else { return nil }
      guard let value = Int(text), value >= 0 else {
        throw DataError("the \(key) '\(text.prefix(40))' of the external data is not a size in bytes")
      }
      return value
    }
    let offset = try number("offset") ?? 0
    let stated = try number("length") ?? length
    guard stated == length else {
      throw DataError("the external data has \(stated) bytes in '\(path)', the shape needs \(length)")
    }
    return ExternalLocation(path: path, offset: offset, length: length)
  }

  /// A tensor whose elements are in one of the typed fields.
  private static func typed(
    _ proto: Dsd__TensorProto, _ dtype: DType, _ shape: [Int], _ count: Int
  ) throws -> Tensor {
    func fill<S, T>(_ source: UnsafeBufferPointer<S>, _ type: T.Type, _ convert: (S) -> T) throws -> Tensor {
      guard source.count == count else {
        throw DataError("\(source.count) elements are not a tensor \(Shape.text(shape)) (\(count) elements)")
      }
      let tensor = Tensor(dtype, shape)
      let out = tensor.pointer(as: type)
      for i in 0..<count { out[i] = convert(source[i]) }
      return tensor
    }
    let words = numbers(proto.n_int32_data, proto.int32_data)
    let wide = numbers(proto.n_uint64_data, proto.uint64_data)
    return switch dtype {
    case .float32: try fill(numbers(proto.n_float_data, proto.float_data), Float.self) { $0 }
    case .float64: try fill(numbers(proto.n_double_data, proto.double_data), Double.self) { $0 }
    case .int64: try fill(numbers(proto.n_int64_data, proto.int64_data), Int64.self) { $0 }
    case .uint64: try fill(wide, UInt64.self) { $0 }
    case .uint32: try fill(wide, UInt32.self) { UInt32(truncatingIfNeeded: $0) }
    case .int32: try fill(words, Int32.self) { $0 }
    case .int16, .uint16, .float16, .bfloat16: try fill(words, UInt16.self) { UInt16(truncatingIfNeeded: $0) }
    case .int8, .uint8: try fill(words, UInt8.self) { UInt8(truncatingIfNeeded: $0) }
    case .bool: try fill(words, UInt8.self) { $0 == 0 ? 0 : 1 }
    case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0:
      try fill(words, UInt8.self) { UInt8(truncatingIfNeeded: $0) }
    case .uint4, .int4, .float4e2m1, .uint2, .int2:
      // A number holds one packed byte.
      try unpacked(words, dtype, shape, count)
    }
  }

  private static func unpacked(
    _ words: UnsafeBufferPointer<Int32>, _ dtype: DType, _ shape: [Int], _ count: Int
  ) throws -> Tensor {
    guard words.count == dtype.fileByteCount(count) else {
      throw DataError("\(words.count) packed bytes are not a \(dtype) tensor \(Shape.text(shape))")
    }
    let bytes = words.map { UInt8(truncatingIfNeeded: $0) }
    return bytes.withUnsafeBytes { Tensor(dtype, shape, unpacking: $0) }
  }
}
