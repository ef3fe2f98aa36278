import GraphIR
import ONNXWire

/// One exported model of a pipeline: `SCOPE/model.onnx`.
struct ONNXPart {
  /// The folder, which is also the scope in the composed graph.
  let scope: String
  /// The file, relative to the pipeline's folder.
  let file: String
  var graph: Graph

  /// Reads the model; its weights stay in its own files, whose paths become relative to `folder`.
  init(_ folder: String, _ scope: String) throws {
    self.scope = scope
    file = "\(scope)/model.onnx"
    let path = "\(folder)/\(file)"
    graph = try GraphReader.read(path: path, weights: .bind)
    for position in graph.nodes.indices {
      // Torch notes its own sources at every node, which would be most of the file.
      for key in ["pkg.torch.onnx.stack_trace", "pkg.torch.onnx.fx_node"] {
        graph.nodes[position].metadata[key] = nil
      }
    }
    let embedded = try EmbeddedTensors(path: path)
    graph = graph.movingLocations(into: scope)
    for (name, initializer) in graph.initializers where initializer.external == nil {
      if let place = embedded.places[name], place.count > ParameterSource.inlineLimit,
        place.count == initializer.tensor?.byteCount
      {
        graph.initializers[name]?.external = ExternalLocation(
          path: file, offset: place.lowerBound, length: place.count)
      }
    }
  }

  /// The declared type of an input.
  func input(_ name: String) -> TensorType? { graph.inputs.first { $0.name == name }?.type }

  func hasInput(_ name: String) -> Bool { graph.requiredInputs.contains { $0.name == name } }

  /// The first of several names under which exporters know an output.
  /// - Throws: `DataError` that names the file and its outputs.
  func output(_ names: [String]) throws -> String {
    let outputs = graph.outputs.map(\.name)
    if let found = names.first(where: outputs.contains) { return found }
    throw error(
      "has none of the outputs \(names.joined(separator: ", ")), only \(outputs.joined(separator: ", "))")
  }

  func error(_ reason: String) -> DataError { DataError("\(file) \(reason)") }

  /// Writes the part into a graph and gives the wanted outputs. What they do not need is left out.
  /// - Throws: `DataError` that names the file: an input that nothing feeds, or one to feed that is missing.
  func embed(_ g: GraphBuilder, _ wanted: [String], _ binding: [String: Value]) throws -> [Value] {
    for input in binding.keys.sorted() where !hasInput(input) { throw error("has no input '\(input)'") }
    let needed = graph.sliced(to: wanted)
    if let other = needed.requiredInputs.first(where: { binding[$0.name] == nil }) {
      throw error("has an input '\(other.name)' that the pipeline cannot feed")
    }
    let outputs: [String: Value]
    do {
      let used = binding.filter { input in needed.inputs.contains { $0.name == input.key } }
      outputs = try g.embed(needed, scope: scope, binding: used)
    } catch let failure as DataError {
      throw failure.at(file)
    }
    return wanted.compactMap { outputs[$0] }
  }
}
