import TensorCore

/// What the first bytes of a safetensors file say, checked.
struct SafetensorsHeader {
  var entries: [String: SafetensorsFile.Entry] = [:]
  var keys: [String] = []
  var metadata: [String: String] = [:]

  mutating func read(_ bytes: UnsafeRawBufferPointer) throws {
    guard bytes.count >= 8 else { throw DataError("is too short for a safetensors file") }
    let stated = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard stated <= UInt64(SafetensorsFile.headerLimit) else {
      throw DataError("the header would be \(stated) bytes, more than a safetensors file may have")
    }
    let size = Int(stated)
    guard size <= bytes.count - 8 else {
      throw DataError("the header of \(size) bytes goes past the end of the file (\(bytes.count) bytes)")
    }
    let start = 8 + size
    var reader = JSONReader(UnsafeRawBufferPointer(rebasing: bytes[8..<start]))
    do {
      var sawMetadata = false
      try reader.object { name, reader in
        if name == "__metadata__" {
          if sawMetadata { throw DataError("'__metadata__' is given twice") }
          sawMetadata = true
          try reader.object { key, reader in
            if metadata.updateValue(try reader.string(), forKey: key) != nil {
              throw DataError("the metadata key '\(key)' is given twice")
            }
          }
        } else {
          if entries[name] != nil { throw DataError("the tensor '\(name)' is given twice") }
          do {
            entries[name] = try entry(&reader, dataStart: start, fileSize: bytes.count)
          } catch let error as DataError {
            throw error.at("tensor '\(name)'")
          }
          keys.append(name)
        }
      }
      try reader.end()
    } catch let error as DataError {
      throw error.at("the safetensors header is wrong")
    }
    try checkOverlaps()
  }

  private func entry(
    _ reader: inout JSONReader, dataStart: Int, fileSize: Int
  ) throws -> SafetensorsFile.Entry {
    var type: String?
    var shape: [Int]?
    var range: [Int]?
    try reader.object { key, reader in
      switch key {
      case "dtype" where type == nil: type = try reader.string()
      case "shape" where shape == nil: shape = try reader.integers(limit: SafetensorsFile.rankLimit)
      case "data_offsets" where range == nil: range = try reader.integers(limit: 2)
      case "dtype", "shape", "data_offsets": throw DataError("'\(key)' is given twice")
      default: try reader.skip()
      }
    }
    guard let type else { throw DataError("has no dtype") }
    guard let shape else { throw DataError("has no shape") }
    guard let range, range.count == 2 else { throw DataError("has no pair of data_offsets") }
    guard let dtype = DType(safetensors: type) else {
      throw DataError("the dtype '\(type)' is not one that is supported")
    }
    guard let count = Shape.checkedCount(shape),
      case (let length, let overflow) = count.multipliedReportingOverflow(by: dtype.size), !overflow
    else { throw DataError("the shape \(Shape.text(shape)) is not possible") }
    guard range[0] >= 0, range[0] <= range[1] else {
      throw DataError("the offsets \(range[0]) to \(range[1]) are not a range")
    }
    guard range[1] <= fileSize - dataStart else {
      throw DataError(
        "the offsets \(range[0]) to \(range[1]) go past the end of the data (\(fileSize - dataStart) bytes)")
    }
    guard range[1] - range[0] == length else {
      throw DataError(
        "\(range[1] - range[0]) bytes are not a \(dtype) tensor \(Shape.text(shape)) (\(length) bytes)")
    }
    return .init(dtype: dtype, shape: shape, offset: dataStart + range[0], length: length)
  }

  private func checkOverlaps() throws {
    let placed = keys.filter { entries[$0]!.length > 0 }.sorted { entries[$0]!.offset < entries[$1]!.offset }
    for (name, next) in zip(placed, placed.dropFirst()) {
      let entry = entries[name]!
      if entry.offset + entry.length > entries[next]!.offset {
        throw DataError("the safetensors header is wrong: the tensors '\(name)' and '\(next)' overlap")
      }
    }
  }
}

extension DType {
  /// The type of a safetensors name such as `F16`.
  init?(safetensors name: String) {
    guard let type = DType.allCases.first(where: { $0.safetensorsName == name }) else { return nil }
    self = type
  }

  /// The name that safetensors headers use; nil for types that the format does not have.
  public var safetensorsName: String? {
    switch self {
    case .float64: "F64"
    case .float32: "F32"
    case .float16: "F16"
    case .bfloat16: "BF16"
    case .int64: "I64"
    case .int32: "I32"
    case .int16: "I16"
    case .int8: "I8"
    case .uint64: "U64"
    case .uint32: "U32"
    case .uint16: "U16"
    case .uint8: "U8"
    case .bool: "BOOL"
    case .float8e4m3fn: "F8_E4M3"
    case .float8e5m2: "F8_E5M2"
    case .float8e8m0: "F8_E8M0"
    case .float8e4m3fnuz: "F8_E4M3FNUZ"
    case .float8e5m2fnuz: "F8_E5M2FNUZ"
    case .uint4, .int4, .float4e2m1, .uint2, .int2: nil
    }
  }
}
