/// An operator that has a body in operators of the default domain. Graph files carry the bodies of our own operators
/// as functions, so that other programs can run them.
public protocol ComposedOperator: Operator {
  /// Emits the body and gives its outputs in order; trailing ones and those that nobody wants may be left out.
  /// - Throws: `DataError` when these types or attributes have no body.
  func body(_ call: Composition) throws -> [Value?]
}

/// What an operator's body is made from: a node's inputs, and a builder to emit nodes with.
///
/// Attributes are bound already, so a body is one for these attributes, types and present inputs; it must hold for
/// every shape whose extents the types leave open. 16-bit floats are float32 here.
public struct Composition {
  public let g: GraphBuilder
  /// Nil for an absent input.
  public let inputs: [Value?]
  public let types: [TensorType?]
  /// Which outputs are asked for.
  public let wanted: [Bool]
  /// The version of the default domain.
  public let opset: Int

  public init(_ g: GraphBuilder, inputs: [Value?], types: [TensorType?], wanted: [Bool], opset: Int) {
    (self.g, self.inputs, self.types, self.wanted, self.opset) = (g, inputs, types, wanted, opset)
  }

  /// The input, nil when it is absent.
  public func optional(_ position: Int) -> Value? { position < inputs.count ? inputs[position] : nil }

  /// An input that must be there.
  /// - Throws: `DataError` when it is not.
  public func input(_ position: Int) throws -> Value {
    guard let value = optional(position) else { throw DataError("input \(position) is missing") }
    return value
  }

  /// The element type of an input.
  public func dtype(_ position: Int) throws -> DType {
    guard let type = position < types.count ? types[position] : nil else {
      throw DataError("the type of input \(position) is not known")
    }
    return type.dtype
  }

  /// The shape of an input of known rank.
  public func shape(_ position: Int) throws -> [Dim] {
    guard let shape = position < types.count ? types[position]?.shape : nil else {
      throw DataError("the rank of input \(position) is not known")
    }
    return shape
  }

  public func wants(_ position: Int) -> Bool { position < wanted.count && wanted[position] }

  /// A rank-0 constant of an element type.
  public func number(_ value: Double, _ dtype: DType) -> Value {
    g.constant(Tensor(scalar: value).converted(to: dtype), "number")
  }

  /// ReduceSum, ReduceMean or ReduceMax along axes, in the form that the opset has.
  public func reduce(_ op: String, _ x: Value, _ axes: [Int], keep: Bool = true) -> Value {
    let kept = Attribute.int(keep ? 1 : 0)
    return op == "ReduceSum" || opset >= 18
      ? g.emit(op, [x, g.ints(axes, "axes")], ["keepdims": kept])[0]
      : g.emit(op, [x], ["axes": .ints(axes), "keepdims": kept])[0]
  }

  public func transpose(_ x: Value, _ order: [Int]) -> Value {
    g.emit("Transpose", [x], ["perm": .ints(order)])[0]
  }

  /// The extent of an axis, as an int64 of shape [1].
  public func extent(_ x: Value, _ axis: Int) -> Value { g.Gather(g.Shape(x), g.ints([axis], "axis")) }
}
