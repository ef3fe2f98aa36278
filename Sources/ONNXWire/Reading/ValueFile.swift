import CGraphProto
import GraphIR

/// Values in files of their own, as ONNX's test data has them: `.pb` files of a `TensorProto`, `SequenceProto` or
/// `OptionalProto`.
public enum ValueFile {
  /// Reads the value of a file. Which message the file holds is not in the file: it follows from the type of the
  /// graph's input or output.
  /// - Parameter container: the declared type, for a value that is no plain tensor.
  /// - Throws: `DataError` that names the file.
  public static func read(path: String, as container: ContainerType? = nil) throws -> RuntimeValue {
    try MappedFile.withBytes(of: path) { bytes in
      // An empty message is a valid one, of an optional or a sequence without anything.
      if bytes.isEmpty, let container { return container.kind == .sequence ? .sequence([]) : .absent }
      switch container?.kind {
      case nil:
        let message = try WireMessage<Dsd__TensorProto>(bytes, as: dsd_tensor_descriptor())
        return try withExtendedLifetime(message) { .tensor(try tensor(message.content)) }
      case .sequence:
        let message = try WireMessage<Dsd__SequenceProto>(bytes, as: dsd_sequence_descriptor())
        return try withExtendedLifetime(message) { try sequence(message.content) }
      case .optional, .optionalSequence:
        let message = try WireMessage<Dsd__OptionalProto>(bytes, as: dsd_optional_descriptor())
        return try withExtendedLifetime(message) {
          if let held = message.content.pointee.tensor_value { return .tensor(try tensor(held)) }
          if let held = message.content.pointee.sequence_value { return try sequence(held) }
          return .absent
        }
      }
    }
  }

  private static func tensor(_ proto: UnsafeMutablePointer<Dsd__TensorProto>) throws -> Tensor {
    guard let tensor = try TensorReading.initializer(proto).tensor else {
      throw DataError("its elements are in another file")
    }
    return tensor
  }

  private static func sequence(_ proto: UnsafeMutablePointer<Dsd__SequenceProto>) throws -> RuntimeValue {
    .sequence(try list(proto.pointee.n_tensor_values, proto.pointee.tensor_values).map(tensor))
  }
}
