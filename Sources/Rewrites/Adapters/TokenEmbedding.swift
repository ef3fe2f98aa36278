import GraphIR

/// A text encoder's table of token embeddings, looked up with a graph input.
public struct TokenEmbedding: Sendable, Equatable {
  /// The outermost scope of the lookup, such as `text_encoder`, or the input's name where it has none.
  public let component: String
  /// The input of token ids `[batch, positions]`.
  public let input: String
  public let positions: Int
  public let width: Int
  /// The value that holds the table, `[vocabulary, width]`.
  public let table: String
  /// The value that the lookup gives, `[batch, positions, width]`.
  let output: String

  /// The embeddings of a graph, in its order.
  /// - Throws: `DataError` when there are none, or the number of positions is not known.
  public static func all(in graph: Graph, _ operators: OperatorSet) throws -> [TokenEmbedding] {
    let sorted = try graph.sorted()
    return try all(in: sorted, TypeInference(sorted, operators, pool: ThreadPool(threads: 1)).types)
  }

  /// - Parameter graph: sorted.
  static func all(in graph: Graph, _ types: [String: TensorType]) throws -> [TokenEmbedding] {
    let producer = graph.producers
    let constants = graph.constantValues
    let fed = Set(graph.inputs.map(\.name))
    var result: [TokenEmbedding] = []
    for node in graph.nodes where node.op == "Gather" && node.domain.isEmpty {
      guard node.attributes["axis"] ?? .int(0) == .int(0), constants.contains(node.inputs[0]),
        let table = types[node.inputs[0]]?.concreteShape, table.count == 2
      else { continue }
      let ids = origin(of: node.inputs[1], graph, producer)
      guard fed.contains(ids), let type = types[ids], !type.dtype.isFloat, type.rank == 2 else { continue }
      guard let positions = type.shape?[1].value else {
        throw DataError("the input '\(ids)' is \(type): the number of text positions is not known")
      }
      result.append(
        TokenEmbedding(
          component: node.scope.first ?? ids, input: ids, positions: positions, width: table[1],
          table: node.inputs[0], output: node.outputs[0]))
    }
    guard !result.isEmpty else { throw DataError("the graph has no token embedding") }
    return result
  }

  /// The value that views and casts lead back to.
  static func origin(of value: String, _ graph: Graph, _ producer: [String: Int]) -> String {
    var name = value
    while let position = producer[name],
      ["Cast", "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"].contains(graph.nodes[position].op)
    {
      name = graph.nodes[position].inputs[0]
    }
    return name
  }

  /// The table's elements, in the type that the file has.
  /// - Throws: `DataError` when they are not bound, or computed from something else.
  public func tableTensor(in graph: Graph) throws -> Tensor {
    let name = TokenEmbedding.origin(of: table, graph, graph.producers)
    guard let tensor = graph.initializers[name]?.tensor, tensor.rank == 2 else {
      throw DataError("the elements of the token embedding '\(table)' are not known")
    }
    return tensor
  }

  /// The id of the end token that the graph compares token ids with; nil where it does not.
  func endToken(in graph: Graph) -> Int? {
    let producer = graph.producers
    for node in graph.nodes where node.op == "Equal" && node.domain.isEmpty {
      for (ids, other) in [(0, 1), (1, 0)]
      where TokenEmbedding.origin(of: node.inputs[ids], graph, producer) == input {
        let constant = TokenEmbedding.origin(of: node.inputs[other], graph, producer)
        if let tensor = graph.initializers[constant]?.tensor, tensor.count == 1, !tensor.dtype.isFloat {
          return Int(tensor.converted(to: .int64).array(of: Int64.self)[0])
        }
      }
    }
    return nil
  }
}
