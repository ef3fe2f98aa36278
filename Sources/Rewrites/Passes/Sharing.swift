import GraphIR

extension Graph {
  /// Uses what Identity nodes pass on in place of their outputs, so that patterns meet across them.
  /// - Parameter altered: values that must go on being used as they are.
  func passingIdentities(except altered: Set<String>) -> Graph {
    var source: [String: String] = [:]
    for node in nodes where node.op == "Identity" && node.domain.isEmpty && node.outputs.count == 1 {
      if !altered.contains(node.outputs[0]), node.inputs.count == 1 {
        source[node.outputs[0]] = node.inputs[0]
      }
    }
    return renamingUses(source)
  }

  /// Lets nodes that compute the same from the same values be one: exports repeat whole branches, such as the
  /// activation of a UNet's time embedding. Expects a sorted graph; what nothing uses any more stays in it.
  /// - Parameter altered: values that must stay apart.
  func sharingNodes(except altered: Set<String>) -> Graph {
    let constants = smallConstants(except: altered)
    var first: [Key: [Node]] = [:]
    var replaced: [String: String] = [:]
    for node in nodes where Graph.isShareable(node) && altered.isDisjoint(with: node.outputs) {
      let inputs = node.inputs.map { name in
        let name = replaced[name] ?? name
        return constants[name] ?? name
      }
      let key = Key(
        domain: node.domain, op: node.op, inputs: inputs, outputs: node.outputs.map { !$0.isEmpty },
        attributes: Graph.digest(node.attributes))
      if let same = first[key]?.first(where: { $0.attributes == node.attributes }) {
        for (own, other) in zip(node.outputs, same.outputs) where !own.isEmpty { replaced[own] = other }
      } else {
        first[key, default: []].append(node)
      }
    }
    return renamingUses(replaced)
  }

  private struct Key: Hashable {
    let domain, op: String
    let inputs: [String]
    let outputs: [Bool]
    /// Keeps nodes apart that only attributes tell apart, of which there may be thousands.
    let attributes: Int
  }

  /// A hash of the attributes' names and plain values: equal attributes have equal ones.
  private static func digest(_ attributes: [String: Attribute]) -> Int {
    var result = 0
    for (name, value) in attributes {
      var hasher = Hasher()
      hasher.combine(name)
      switch value {
      case .int(let value): hasher.combine(value)
      case .float(let value): hasher.combine(value.bitPattern)
      case .string(let value): hasher.combine(value)
      case .ints(let values): hasher.combine(values)
      case .tensor(let tensor): hasher.combine(tensor.shape)
      default: break
      }
      // In whatever order.
      result ^= hasher.finalize()
    }
    return result
  }

  private static let random: Set<String> = [
    "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial",
    "Dropout",
  ]

  private static func isShareable(_ node: Node) -> Bool {
    node.subgraphs.isEmpty && !node.inputs.isEmpty && !random.contains(node.op)
  }

  /// One name for all constants of equal elements, such as shapes and axes.
  private func smallConstants(except altered: Set<String>) -> [String: String] {
    struct Content: Hashable {
      let dtype: DType
      let shape: [Int]
      let bytes: [UInt8]
    }
    let variable = altered.union(inputs.map(\.name))
    var known: [Content: String] = [:]
    var result: [String: String] = [:]
    for (name, initializer) in initializers {
      guard let tensor = initializer.tensor, tensor.byteCount <= 256, !variable.contains(name)
      else { continue }
      let bytes = Array(UnsafeRawBufferPointer(start: tensor.pointer, count: tensor.byteCount))
      let content = Content(dtype: tensor.dtype, shape: tensor.shape, bytes: bytes)
      result[name] = known[content] ?? name
      if known[content] == nil { known[content] = name }
    }
    return result
  }

  /// The graph with values used under other names. Bodies of control flow keep what they capture.
  private func renamingUses(_ names: [String: String]) -> Graph {
    guard !names.isEmpty else { return self }
    var known = names
    /// The end of a chain of names; what has been walked leads there at once from then on.
    func end(of name: String) -> String {
      guard var end = known[name] else { return name }
      var path = [name]
      while let next = known[end] {
        path.append(end)
        end = next
      }
      for step in path { known[step] = end }
      return end
    }
    var result = self
    for position in nodes.indices {
      for (place, name) in nodes[position].inputs.enumerated() where known[name] != nil {
        result.nodes[position].inputs[place] = end(of: name)
      }
    }
    return result
  }
}
