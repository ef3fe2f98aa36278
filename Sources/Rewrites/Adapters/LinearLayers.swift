import GraphIR

/// y = x · W (+ b) with a constant weight, over the last axis or, as a 1×1 convolution, over the channels.
struct LinearLayer: Equatable {
  let isConvolution: Bool
  /// `[…, input]`, or `[batch, input, height, width]`.
  let x: String
  /// `[…, output]`, or `[batch, output, height, width]`, with the bias where there is one.
  let y: String
  let input: Int
  let output: Int
  /// The tensor that the weight is made of.
  let weight: String?
}

/// Finds linear layers: MatMul or Gemm with a constant matrix and `dsd.Linear`, each with the bias behind it, and 1×1
/// convolutions.
struct LinearLayers {
  private let graph: Graph
  private let types: [String: TensorType]
  private let index: GraphIndex
  private let constants: Set<String>

  init(_ graph: Graph, _ types: [String: TensorType]) {
    self.graph = graph
    self.types = types
    index = GraphIndex(graph)
    constants = graph.constantValues
  }

  /// The layer that makes a value, behind reshapes and transposes.
  func making(_ value: String) -> LinearLayer? {
    var name = value
    // As many steps as there are nodes at most: the graph has no cycles.
    while let position = index.producer[name] {
      let node = graph.nodes[position]
      if let layer = layer(of: node) { return layer }
      switch node.op {
      case "Add" where node.metadata[AdapterBuilder.mark] == nil:
        guard let place = node.inputs.firstIndex(where: { !constants.contains($0) }),
          node.inputs.count == 2, constants.contains(node.inputs[1 - place])
        else { return nil }
        name = node.inputs[place]
      case "Reshape", "Transpose", "Cast", "Identity", "Squeeze", "Unsqueeze", "Add": name = node.inputs[0]
      default: return nil
      }
    }
    return nil
  }

  /// The only layer that reads a value, behind reshapes and transposes.
  func reading(_ value: String) -> LinearLayer? {
    var name = value
    while let users = index.consumers[name] {
      let layers = users.compactMap { layer(of: graph.nodes[$0]) }.filter { $0.x == name }
      if let layer = layers.first { return layers.count == 1 ? layer : nil }
      let views = users.map { graph.nodes[$0] }.filter {
        ["Reshape", "Transpose", "Cast", "Identity", "Squeeze", "Unsqueeze"].contains($0.op)
          && $0.inputs[0] == name
      }
      guard views.count == 1 else { return nil }
      name = views[0].outputs[0]
    }
    return nil
  }

  /// Every layer whose weight is a tensor called `….weight`, by that name without its last part.
  func byWeight() -> [String: LinearLayer] {
    var result: [String: LinearLayer] = [:]
    for node in graph.nodes {
      guard let layer = layer(of: node), let weight = layer.weight, weight.hasSuffix(".weight") else {
        continue
      }
      result[String(weight.dropLast(".weight".count))] = layer
    }
    return result
  }

  private func layer(of node: Node) -> LinearLayer? {
    guard let x = node.inputs.first, node.inputs.count > 1, node.outputs.count == 1, !constants.contains(x),
      constants.contains(node.inputs[1]), let shape = types[node.inputs[1]]?.concreteShape
    else { return nil }
    if node.op == "Conv", node.domain.isEmpty { return convolution(node, shape) }
    guard shape.count == 2 else { return nil }
    func flag(_ name: String) -> Bool { node.attributes[name].map { $0 != .int(0) } ?? false }
    let isTransposed: Bool
    switch (node.domain, node.op) {
    case ("", "MatMul"): isTransposed = false
    case ("dsd", "Linear"): isTransposed = true
    case ("", "Gemm") where !flag("transA"): isTransposed = flag("transB")
    default: return nil
    }
    return LinearLayer(
      isConvolution: false, x: x, y: withAdditions(node.outputs[0], width: shape[isTransposed ? 0 : 1]),
      input: shape[isTransposed ? 1 : 0], output: shape[isTransposed ? 0 : 1],
      weight: initializer(behind: node.inputs[1]))
  }

  private func convolution(_ node: Node, _ weight: [Int]) -> LinearLayer? {
    func isAll(_ name: String, _ value: Int) -> Bool {
      guard case .ints(let list)? = node.attributes[name] else { return true }
      return list.allSatisfy { $0 == value }
    }
    guard weight.count == 4, weight[2] == 1, weight[3] == 1, isAll("strides", 1), isAll("pads", 0),
      [nil, .int(1)].contains(node.attributes["group"]), types[node.inputs[0]]?.rank ?? 4 == 4
    else { return nil }
    return LinearLayer(
      isConvolution: true, x: node.inputs[0], y: node.outputs[0], input: weight[1], output: weight[0],
      weight: initializer(behind: node.inputs[1]))
  }

  /// The value with its bias, and with what adapters have added.
  private func withAdditions(_ value: String, width: Int) -> String {
    var name = value
    while let users = index.consumers[name], users.count == 1 {
      let node = graph.nodes[users[0]]
      guard node.op == "Add", node.domain.isEmpty, node.inputs.count == 2 else { break }
      let other = node.inputs[node.inputs[0] == name ? 1 : 0]
      let isBias = constants.contains(other) && types[other]?.concreteShape == [width]
      guard isBias || node.metadata[AdapterBuilder.mark] != nil && node.inputs[0] == name else { break }
      name = node.outputs[0]
    }
    return name
  }

  private func initializer(behind value: String) -> String? {
    var name = value
    while let position = index.producer[name] {
      let node = graph.nodes[position]
      guard ["Reshape", "Transpose", "Cast", "Identity", "Squeeze"].contains(node.op) else { return nil }
      name = node.inputs[0]
    }
    return name
  }
}

extension Graph {
  /// The values that depend on nothing that is fed.
  var constantValues: Set<String> {
    let fed = Set(inputs.map(\.name))
    var constants = Set(initializers.keys).subtracting(fed)
    for node in nodes where GraphIndex.uses(of: node).allSatisfy(constants.contains) {
      constants.formUnion(node.outputs.filter { !$0.isEmpty })
    }
    return constants
  }
}
