import GraphIR

/// Writes one component, following the tree of modules that its checkpoint has.
///
/// A module's path is at once the scope of its nodes (`unet/down_blocks.0/resnets.0/conv1/Conv`) and the key
/// of its parameters (`unet/down_blocks.0.resnets.0.conv1.weight`).
final class ModuleBuilder {
  let g: GraphBuilder
  let parameters: ParameterSource
  private var path: [String] = []

  init(_ g: GraphBuilder, _ parameters: ParameterSource) {
    self.g = g
    self.parameters = parameters
  }

  /// The current module's name in diffusers: `down_blocks.2.attentions.1`.
  var layer: String { path.joined(separator: ".") }

  /// Runs `body` inside the component's scope.
  func component<T>(_ body: () throws -> T) rethrows -> T { try g.scope(parameters.scope, body) }

  /// Runs `body` inside a module of the current one.
  func module<T>(_ name: String, _ body: () throws -> T) rethrows -> T {
    path.append(name)
    defer { path.removeLast() }
    return try g.scope(name, body)
  }

  /// A parameter of the current module as float32, whatever it is stored as.
  /// - Parameter alternative: another shape in which it may be stored; it is brought into `shape`.
  func parameter(_ name: String, _ shape: [Int], or alternative: [Int]? = nil) -> Value {
    let key = (path + [name]).joined(separator: ".")
    let full = "\(parameters.scope)/\(key)"
    let initializer = parameters.initializer(key, shape, or: alternative)
    g.edit { $0.initializers[full] = initializer }
    var value = Value(full)
    if initializer.dtype != .float32 {
      value = g.Cast(value, attributes: ["to": .int(Int(DType.float32.rawValue))])
    }
    return initializer.shape == shape ? value : g.Reshape(value, ints(shape))
  }

  /// A 1-D int64 constant that the whole component shares.
  func ints(_ values: [Int]) -> Value {
    let name = "\(parameters.scope)/constants/ints_" + values.map(String.init).joined(separator: "_")
    return shared(name) { Tensor(values.map { Int64($0) }, shape: [values.count]) }
  }

  /// A rank-0 float32 constant that the whole component shares.
  func scalar(_ value: Float) -> Value {
    shared("\(parameters.scope)/constants/scalar_\(value)") { Tensor(scalar: value) }
  }

  private func shared(_ name: String, _ tensor: () -> Tensor) -> Value {
    g.edit { graph in
      if graph.initializers[name] == nil { graph.initializers[name] = Initializer(tensor()) }
    }
    return Value(name)
  }

  /// Notes something that cannot be built; the message names the component's configuration.
  func fail(_ key: String, _ reason: String) {
    parameters.fail("\(parameters.component)/config.json: \(key): \(reason)")
  }
}

/// A value `[batch, channels, height, width]` with its number of channels.
struct Feature {
  var value: Value
  var channels: Int
}
