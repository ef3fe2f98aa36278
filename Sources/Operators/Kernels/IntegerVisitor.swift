import GraphIR

/// Work that is written once for every integer type.
protocol IntegerVisitor {
  associatedtype Result
  func visit<T: FixedWidthInteger>(_ type: T.Type) throws -> Result
}

extension DType {
  /// Calls the visitor with the Swift type of the elements.
  /// - Throws: `DataError` for what is no integer type.
  func visit<V: IntegerVisitor>(_ visitor: V) throws -> V.Result {
    switch self {
    case .int8: try visitor.visit(Int8.self)
    case .int16: try visitor.visit(Int16.self)
    case .int32: try visitor.visit(Int32.self)
    case .int64: try visitor.visit(Int64.self)
    case .uint8: try visitor.visit(UInt8.self)
    case .uint16: try visitor.visit(UInt16.self)
    case .uint32: try visitor.visit(UInt32.self)
    case .uint64: try visitor.visit(UInt64.self)
    default: throw DataError("\(self) is no integer type computed with")
    }
  }
}
