/// Who makes and who uses each value of a graph, for one state of it.
public struct GraphIndex: Sendable {
  /// The position of the node that makes a value; inputs and initializers have none.
  public let producer: [String: Int]
  /// The positions of the nodes that use a value, in order; a node appears once.
  public let consumers: [String: [Int]]

  public init(_ graph: Graph) {
    producer = graph.producers
    var consumers: [String: [Int]] = [:]
    consumers.reserveCapacity(graph.nodes.count)
    for (position, node) in graph.nodes.enumerated() {
      for input in GraphIndex.uses(of: node) where consumers[input]?.last != position {
        consumers[input, default: []].append(position)
      }
    }
    self.consumers = consumers
  }

  /// Every value a node reads: its inputs, and what its subgraphs take from outside.
  public static func uses(of node: Node) -> [String] {
    var names = node.inputs.filter { !$0.isEmpty }
    for (_, body) in node.subgraphs { names += body.capturedNames }
    return names
  }
}

extension Graph {
  /// The positions of the nodes that make values, by the values' names.
  public var producers: [String: Int] {
    var positions: [String: Int] = [:]
    positions.reserveCapacity(nodes.count)
    for (position, node) in nodes.enumerated() {
      for output in node.outputs where !output.isEmpty { positions[output] = position }
    }
    return positions
  }

  /// Names that the graph uses and does not define: what a subgraph takes from the graph around it.
  public var capturedNames: [String] {
    var defined = Set(inputs.map(\.name))
    defined.formUnion(initializers.keys)
    for node in nodes { defined.formUnion(node.outputs) }
    var seen: Set<String> = []
    var captured: [String] = []
    for name in nodes.flatMap({ GraphIndex.uses(of: $0) }) + outputs.map(\.name)
    where !defined.contains(name) && seen.insert(name).inserted { captured.append(name) }
    return captured
  }

  /// The graph inputs that a value depends on. Linear in the part of the graph that makes the value.
  /// - Parameter producer: the graph's own, see ``GraphIndex``.
  public func dependencies(of value: String, producer: [String: Int]) -> Set<String> {
    let inputs = Set(self.inputs.map(\.name))
    var found: Set<String> = []
    var seen: Set<String> = []
    var pending = [value]
    while let name = pending.popLast() {
      guard seen.insert(name).inserted else { continue }
      if inputs.contains(name) { found.insert(name) }
      if let position = producer[name] { pending += GraphIndex.uses(of: nodes[position]) }
    }
    return found
  }

  /// Positions of the nodes in an order in which every value is made before it is used; among the possible
  /// orders, the one nearest to the file's. Values that nothing defines are ignored here.
  /// - Throws: `DataError` that names the nodes of a cycle.
  public func topologicalOrder() throws -> [Int] {
    let producers = self.producers
    let isSorted = nodes.indices.allSatisfy { position in
      GraphIndex.uses(of: nodes[position]).allSatisfy { (producers[$0] ?? -1) < position }
    }
    if isSorted { return Array(nodes.indices) }
    // 0: not visited, 1: on the stack, 2: done.
    var state = [UInt8](repeating: 0, count: nodes.count)
    var order: [Int] = []
    order.reserveCapacity(nodes.count)
    for root in nodes.indices where state[root] == 0 {
      var stack: [(node: Int, uses: [String], next: Int)] = [(root, GraphIndex.uses(of: nodes[root]), 0)]
      state[root] = 1
      while var top = stack.popLast() {
        if top.next < top.uses.count {
          let producer = producers[top.uses[top.next]]
          top.next += 1
          stack.append(top)
          guard let producer else { continue }
          if state[producer] == 1 {
            let start = stack.firstIndex { $0.node == producer } ?? 0
            let names = stack[start...].map { "'\(nodes[$0.node].name)'" }
            let shown = names.prefix(6).joined(separator: " ← ") + (names.count > 6 ? " ← …" : "")
            throw DataError("the graph has a cycle: \(shown)")
          }
          if state[producer] == 0 {
            state[producer] = 1
            stack.append((producer, GraphIndex.uses(of: nodes[producer]), 0))
          }
        } else {
          state[top.node] = 2
          order.append(top.node)
        }
      }
    }
    return order
  }

  /// The graph with its nodes in topological order.
  public func sorted() throws -> Graph {
    let order = try topologicalOrder()
    if order.elementsEqual(nodes.indices) { return self }
    var result = self
    result.nodes = order.map { nodes[$0] }
    return result
  }

  /// The part of the graph that the values `wanted` need, when the values `given` are fed.
  ///
  /// Outputs become `wanted`; inputs and initializers that nothing needs go. `given` values become inputs.
  public func sliced(to wanted: [String], given: Set<String> = []) -> Graph {
    let producers = self.producers
    var needed: Set<String> = []
    needed.reserveCapacity(nodes.count)
    var keep = [Bool](repeating: false, count: nodes.count)
    var pending = wanted
    while let name = pending.popLast() {
      guard needed.insert(name).inserted, !given.contains(name) else { continue }
      guard let position = producers[name], !keep[position] else { continue }
      keep[position] = true
      pending += GraphIndex.uses(of: nodes[position])
    }
    var result = self
    result.nodes = nodes.indices.filter { keep[$0] }.map { position in
      var node = nodes[position]
      // A given value is not made a second time by a node that stays for another output.
      if !given.isEmpty { node.outputs = node.outputs.map { given.contains($0) ? "" : $0 } }
      return node
    }
    result.initializers = initializers.filter { needed.contains($0.key) && !given.contains($0.key) }
    let declared = Dictionary(inputs.map { ($0.name, $0.type) }, uniquingKeysWith: { a, _ in a })
    var inputs = self.inputs.filter { needed.contains($0.name) }
    for name in given.sorted() where needed.contains(name) && declared[name] == nil {
      inputs.append(ValueInfo(name, valueTypes[name]))
    }
    result.inputs = inputs
    let outputTypes = Dictionary(outputs.map { ($0.name, $0.type) }, uniquingKeysWith: { a, _ in a })
    result.outputs = wanted.map { ValueInfo($0, outputTypes[$0] ?? valueTypes[$0]) }
    return result
  }
}

extension Graph {
  /// Every name that stands for a value.
  public var valueNames: Set<String> {
    var names = Set(inputs.map(\.name))
    names.formUnion(initializers.keys)
    for node in nodes { names.formUnion(node.outputs.filter { !$0.isEmpty }) }
    return names
  }
}
