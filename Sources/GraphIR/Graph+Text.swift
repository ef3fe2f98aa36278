extension Graph {
  /// The graph for people to read, much like ONNX's text form: a line per node, constants by type, place and
  /// first elements.
  ///
  /// ```
  /// <ir_version: 10, opset_import: ["": 23], producer: "dsd">
  /// mlp (float32[batch, 4] x) => (float32[batch, 2] y)
  /// <
  ///   float32[2, 4] w at weights.safetensors:128+32,
  ///   float32[2] b = {0, 1}
  /// >
  /// {
  ///   y = Gemm<transB=1>(x, w, b)
  /// }
  /// ```
  public var text: String {
    let imports = opsets.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }
      .joined(separator: ", ")
    let head = "<ir_version: \(irVersion), opset_import: [\(imports)], producer: \"\(producer)\">"
    return ([head] + lines(indent: "")).joined(separator: "\n") + "\n"
  }

  private func lines(indent: String) -> [String] {
    var result = ["\(indent)\(name) (\(Graph.list(inputs))) => (\(Graph.list(outputs)))"]
    if !initializers.isEmpty {
      result.append("\(indent)<")
      let constants = initializers.map { "\(indent)  \($1.type) \($0)\(Graph.contents($1))" }
      result.append(constants.joined(separator: ",\n"))
      result.append("\(indent)>")
    }
    result.append("\(indent){")
    for node in nodes { result += node.lines(indent: indent + "  ") }
    result.append("\(indent)}")
    return result
  }

  private static func list(_ values: [ValueInfo]) -> String {
    values.map { value in value.type.map { "\($0) \(value.name)" } ?? value.name }.joined(separator: ", ")
  }

  private static func contents(_ initializer: Initializer) -> String {
    if let place = initializer.external { return " at \(place.path):\(place.offset)+\(place.length)" }
    return initializer.tensor.map { " = \($0.elements)" } ?? ""
  }

  fileprivate func body(indent: String) -> String {
    var lines = self.lines(indent: indent)
    // The opening line continues the attribute's.
    lines[0] = String(lines[0].dropFirst(indent.count))
    return lines.joined(separator: "\n")
  }
}

extension Node {
  /// The node on one line; bodies of If, Loop and Scan follow it, indented.
  fileprivate func lines(indent: String) -> [String] {
    let label = name.isEmpty || name == outputs.first ? "" : "[\(name)] "
    let made = outputs.map { $0.isEmpty ? "_" : $0 }.joined(separator: ", ")
    let used = inputs.map { $0.isEmpty ? "_" : $0 }.joined(separator: ", ")
    let options = attributes.sorted { $0.key < $1.key }
      .map { "\($0.key)=\($0.value.text(indent: indent + "  "))" }
    let shown = options.isEmpty ? "" : "<\(options.joined(separator: ", "))>"
    return ["\(indent)\(label)\(made) = \(qualifiedOp)\(shown)(\(used))"]
  }
}

extension Attribute {
  /// The value as the text form shows it; long lists are cut.
  fileprivate func text(indent: String) -> String {
    func list<T>(_ values: [T], _ show: (T) -> String) -> String {
      let more = values.count > 12 ? ", …" : ""
      return "[\(values.prefix(12).map(show).joined(separator: ", "))\(more)]"
    }
    switch self {
    case .int(let value): return String(value)
    case .float(let value): return String(value)
    case .string(let value): return "\"\(value)\""
    case .ints(let values): return list(values) { String($0) }
    case .floats(let values): return list(values) { String($0) }
    case .strings(let values): return list(values) { "\"\($0)\"" }
    case .tensor(let tensor): return "\(TensorType(tensor.dtype, tensor.shape)) \(tensor.elements)"
    case .graph(let graph): return graph.body(indent: indent)
    case .type(let info): return info.container?.description ?? info.type?.description ?? "?"
    }
  }
}

extension Tensor {
  /// The first elements in braces, as in the tensor's description.
  fileprivate var elements: String {
    let shown = description
    return shown.firstIndex(of: "{").map { String(shown[$0...]) } ?? "{}"
  }
}
