import GraphIR

/// Low-rank adaptation of linear layers and 1×1 convolutions (arXiv 2106.09685): y becomes y + scale · B (A x) with A `[rank, input]` and
/// B `[output, rank]`, for convolutions with two more axes of 1.
public struct LoRA: Adapter {
  /// The linear layers of an attention.
  public enum Projection: String, Sendable, CaseIterable {
    case q, k, v, out

    /// diffusers' name of the module.
    public var module: String { self == .out ? "to_out.0" : "to_\(rawValue)" }
  }

  /// One adapted layer.
  public struct Layer: Sendable, Equatable {
    /// diffusers' name with the model's in front, such as
    /// `unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q`.
    public var module: String
    public var rank: Int
    /// alpha / rank
    public var scale: Float

    public init(module: String, rank: Int, scale: Float) {
      self.module = module
      self.rank = rank
      self.scale = scale
    }
  }

  enum Targets: Sendable {
    case projections(Set<Projection>, of: Set<AttentionLayer.Role>, rank: Int, scale: Float)
    case layers([Layer])
  }

  public let kind = "lora"
  let targets: Targets

  /// Adapts projections of the UNet's attention.
  /// - Parameter alpha: scale · rank; the rank when nil.
  public init(
    rank: Int, alpha: Float? = nil, projections: Set<Projection> = Set(Projection.allCases),
    of roles: Set<AttentionLayer.Role> = [.cross]
  ) {
    precondition(rank > 0, "the rank of LoRA is at least 1")
    targets = .projections(projections, of: roles, rank: rank, scale: (alpha ?? Float(rank)) / Float(rank))
  }

  /// The adapted layers; empty while the graph has to be asked for them.
  public var layers: [Layer] {
    if case .layers(let layers) = targets { layers } else { [] }
  }

  /// Adapts the named layers, any linear layers of the graph.
  public init(layers: [Layer]) { targets = .layers(layers) }

  public func attached(
    to graph: Graph, _ operators: OperatorSet, values: (LearnedTensor) throws -> Tensor
  ) throws -> AdaptedGraph {
    try withoutActuallyEscaping(values) { values in
      let builder = try AdapterBuilder(graph, operators, kind: kind, values: values)
      let sites = try sites(builder.g.graph, builder.types)
      for (layer, linear) in sites {
        guard layer.rank > 0, layer.rank <= max(linear.input, linear.output) else {
          throw DataError("lora: the rank \(layer.rank) of '\(layer.module)' is not possible")
        }
        try attach(layer, to: linear, builder)
      }
      return try builder.finished(LoRA(layers: sites.map(\.layer)))
    }
  }

  private func attach(_ layer: Layer, to linear: LinearLayer, _ builder: AdapterBuilder) throws {
    let g = builder.g
    let dtype = builder.types[linear.x]?.dtype ?? .float32
    // unet.down_blocks… is in the scope unet/down_blocks….
    let scope = layer.module.replacingFirst(".", with: "/")
    try builder.scope(scope) {
      try builder.change(linear.y) { y in
        let tail = linear.isConvolution ? [1, 1] : []
        let a = try builder.learn(
          "lora_A", key: "\(layer.module).lora_A.weight", [layer.rank, linear.input] + tail,
          // torch's kaiming_uniform_ with a = √5, peft's start.
          .uniform(bound: 1 / Float(linear.input).squareRoot()), as: dtype)
        let b = try builder.learn(
          "lora_B", key: "\(layer.module).lora_B.weight", [linear.output, layer.rank] + tail, .zeros,
          as: dtype)
        func apply(_ weight: Value, to x: Value) -> Value {
          linear.isConvolution
            ? g.Conv(x, weight)
            : g.MatMul(x, g.Transpose(weight, attributes: ["perm": .ints([1, 0])]))
        }
        var low = apply(a, to: Value(linear.x))
        if layer.scale != 1 {
          let scale = g.constant(Tensor(scalar: layer.scale).converted(to: dtype), "scale")
          low = g.Mul(low, scale)
        }
        return g.Add(y, apply(b, to: low))
      }
    }
  }

  /// The layers to adapt, in the graph's order where the adapter chooses them.
  private func sites(
    _ graph: Graph, _ types: [String: TensorType]
  ) throws -> [(layer: Layer, linear: LinearLayer)] {
    let search = LinearLayers(graph, types)
    switch targets {
    case .projections(let projections, let roles, let rank, let scale):
      let attentions = try UNetAttention.all(in: graph).filter { roles.contains($0.layer.role) }
      let sites = try attentions.flatMap { attention in
        try Projection.allCases.filter(projections.contains).map { projection in
          let module = "\(attention.key).\(projection.module)"
          guard let linear = LoRA.linear(projection, of: attention.node, search) else {
            throw DataError(
              "lora: \(attention.node.label): '\(projection.module)' is not a linear layer of its own")
          }
          return (Layer(module: module, rank: rank, scale: scale), linear)
        }
      }
      guard !sites.isEmpty else {
        let named = roles.map(\.rawValue).sorted().joined(separator: " or ")
        throw DataError("lora: the graph has no \(named)-attention layers to adapt")
      }
      return sites
    case .layers(let layers):
      let known = LoRA.modules(graph, search)
      let missing = layers.filter { known[$0.module] == nil }
      if let first = missing.first {
        throw DataError(
          "lora: the graph has no linear layer '\(first.module)'"
            + (missing.count == 1 ? "" : " (\(missing.count) of \(layers.count) are missing)"))
      }
      return layers.map { ($0, known[$0.module]!) }
    }
  }

  private static func linear(
    _ projection: Projection, of node: Node, _ search: LinearLayers
  ) -> LinearLayer? {
    switch projection {
    case .q: search.making(node.inputs[0])
    case .k: search.making(node.inputs[1])
    case .v: search.making(node.inputs[2])
    case .out: search.reading(node.outputs[0])
    }
  }

  /// The names of a graph's linear layers, sorted.
  public static func modules(of graph: Graph, _ operators: OperatorSet) throws -> [String] {
    let sorted = try graph.sorted()
    let types = try TypeInference(sorted, operators, pool: ThreadPool(threads: 1)).types
    return modules(sorted, LinearLayers(sorted, types)).keys.sorted()
  }

  /// Every linear layer by its module's name: `unet.down_blocks….to_q`, `text_encoder.text_model….q_proj`.
  private static func modules(_ graph: Graph, _ search: LinearLayers) -> [String: LinearLayer] {
    var result: [String: LinearLayer] = [:]
    for (name, layer) in search.byWeight() { result[name.replacingFirst("/", with: ".")] = layer }
    for attention in (try? UNetAttention.all(in: graph)) ?? [] {
      for projection in Projection.allCases {
        guard let layer = linear(projection, of: attention.node, search) else { continue }
        result["\(attention.key).\(projection.module)"] = layer
      }
    }
    return result
  }
}

extension String {
  fileprivate func replacingFirst(_ text: String, with other: String) -> String {
    replacing(text, with: other, maxReplacements: 1)
  }
}
