import GraphIR

extension OperatorSet {
  /// The family's operators, one line each.
  static let sequence: [any Operator.Type] = [
    SequenceConstruct.self, SequenceEmpty.self, SequenceAt.self, SequenceInsert.self, SequenceErase.self,
    SequenceLength.self, SequenceMap.self, SplitToSequence.self, ConcatFromSequence.self,
    OptionalOperator.self, OptionalHasElement.self, OptionalGetElement.self,
  ]
}

/// What operators on sequences and optionals share.
enum Sequences {
  static func value(_ inputs: [RuntimeValue?], _ position: Int, _ name: String) throws -> RuntimeValue {
    guard let value = position < inputs.count ? inputs[position] : nil else {
      throw DataError("input '\(name)' is missing")
    }
    return value
  }

  static func sequence(_ inputs: [RuntimeValue?], _ position: Int, _ name: String) throws -> [Tensor] {
    let value = try value(inputs, position, name)
    guard case .sequence(let tensors) = value else {
      throw DataError("input '\(name)' is \(value.label), not a sequence")
    }
    return tensors
  }

  /// A position in a sequence, counted from its end when negative; nil when the input is left out.
  /// - Parameter limit: the last position, which is one more where something is inserted.
  static func position(
    _ inputs: [RuntimeValue?], _ number: Int, count: Int, limit: Int
  ) throws -> Int? {
    guard number < inputs.count, inputs[number] != nil else { return nil }
    let tensor = try Flow.tensor(inputs, number, "position")
    guard tensor.count == 1, let place = try Movement.ints([tensor], 0)?.first else {
      throw DataError("a position is one integer, not \(TensorType(tensor.dtype, tensor.shape))")
    }
    guard place >= -count, place <= limit else {
      throw DataError("position \(place) is outside a sequence of \(count)")
    }
    return place < 0 ? place + count : place
  }

  /// - Throws: `DataError` when the tensor's element type is not the sequence's.
  static func checkFits(_ tensor: Tensor, _ sequence: [Tensor]) throws {
    if let first = sequence.first, first.dtype != tensor.dtype {
      throw DataError("a sequence of \(first.dtype) cannot hold \(tensor.dtype)")
    }
  }
}
