import CGraphProto
import GraphIR

/// What a call names: functions are told apart by all three.
struct FunctionKey: Hashable {
  let domain: String
  let name: String
  let overload: String

  var label: String {
    (domain.isEmpty ? name : "\(domain).\(name)") + (overload.isEmpty ? "" : ":\(overload)")
  }
}

extension ModelReading {
  /// The file's functions by what calls name.
  static func functions(
    _ model: Dsd__ModelProto
  ) throws -> [FunctionKey: UnsafeMutablePointer<Dsd__FunctionProto>] {
    var result: [FunctionKey: UnsafeMutablePointer<Dsd__FunctionProto>] = [:]
    for function in list(model.n_functions, model.functions) {
      let key = FunctionKey(
        domain: canonical(domain: try text(function.pointee.domain)), name: try text(function.pointee.name),
        overload: try text(function.pointee.overload))
      if result.updateValue(function, forKey: key) != nil {
        throw DataError("the function '\(key.label)' is defined twice")
      }
    }
    return result
  }

  /// Appends the function's nodes in place of `call`: formal inputs and outputs become the call's values, and
  /// all other names get the call's name as a scope. Types that the function declares are left out: they hold
  /// for no call in particular, and inference finds them again.
  func expand(
    _ function: Dsd__FunctionProto, _ key: FunctionKey, _ call: Node, _ caller: Scope,
    to nodes: inout [Node], _ namer: inout NodeNamer
  ) throws {
    guard !caller.calls.contains(key) else { throw DataError("the function calls itself") }
    guard caller.depth < ModelReading.depthLimit else {
      throw DataError("function calls are nested too deep")
    }
    let inputs = try texts(function.n_input, function.input)
    let outputs = try texts(function.n_output, function.output)
    guard call.inputs.count <= inputs.count, call.outputs.count <= outputs.count else {
      throw DataError(
        "a function of \(inputs.count) inputs and \(outputs.count) outputs is called with "
          + "\(call.inputs.count) and \(call.outputs.count)")
    }
    var scope = Scope()
    scope.calls = caller.calls + [key]
    scope.depth = caller.depth + 1
    scope.opsets = try ModelReading.opsets(function.n_opset_import, function.opset_import)
    // Defaults belong to the function alone: nothing of the caller is visible in them.
    scope.attributes = try attributes(list(function.n_attribute_proto, function.attribute_proto), Scope())
    scope.attributes.merge(call.attributes) { $1 }
    let body = list(function.n_node, function.node)
    let made = try body.flatMap { try texts($0.pointee.n_output, $0.pointee.output) }
    scope.prefix = try freshPrefix(call.name, for: made)
    for (position, name) in inputs.enumerated() {
      scope.values[name] = position < call.inputs.count ? call.inputs[position] : ""
    }
    var copies: [(from: String, to: String)] = []
    for (name, actual) in zip(outputs, call.outputs) where !actual.isEmpty {
      // An output that is also an input, or named twice, has a name already.
      if let known = scope.values[name] {
        copies.append((known, actual))
      } else {
        scope.values[name] = actual
      }
    }
    for node in body { try append(node.pointee, scope, to: &nodes, &namer) }
    for copy in copies {
      try charge(256)
      let name = namer.name("", or: copy.to)
      nodes.append(Node("Identity", name: name, inputs: [copy.from], outputs: [copy.to]))
    }
  }

  /// `name/`, or `name_1/` and so on when values of that scope exist already.
  private func freshPrefix(_ name: String, for values: [String]) throws -> String {
    try charge(values.reduce(64) { $0 + $1.utf8.count + name.utf8.count })
    var prefix = name + "/"
    var number = 1
    while values.contains(where: { !$0.isEmpty && usedValues.contains(prefix + $0) }) {
      prefix = "\(name)_\(number)/"
      number += 1
      try charge(values.count * 16)
    }
    for value in values where !value.isEmpty { usedValues.insert(prefix + value) }
    return prefix
  }
}
