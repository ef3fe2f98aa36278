import GraphIR

/// Y = prob_mod(softmax(score_mod(scale · Q · Kᵀ))) · V, with Q, K and V as `[batch, heads, length, size]`. Several
/// query heads may share a head of K and V; the two graphs may change scores and probabilities.
struct FlexAttention: ValueOperator {
  static let schema = Schema(
    "FlexAttention", domain: "ai.onnx.preview", since: 1, inputs: ["Q: T1", "K: T1", "V: T1"],
    outputs: ["Y: T1"],
    types: ["T1": .floats],
    attributes: ["score_mod": .none, "prob_mod": .none, "scale": .none, "softmax_precision": .none])
  private let scale: Double?
  private let precision: DType?
  private let modifiers: Set<String>

  init(_ attributes: Attributes) throws {
    scale = try attributes.float("scale").map { Double($0) }
    precision = attributes.has("softmax_precision") ? try attributes.elementType("softmax_precision") : nil
    if let precision, !precision.isFloat { throw DataError("a softmax in \(precision) is not possible") }
    var modifiers: Set<String> = []
    for name in ["score_mod", "prob_mod"] {
      guard let body = try attributes.graph(name) else { continue }
      guard body.inputs.count == 1, body.outputs.count == 1 else {
        throw DataError(
          "\(name) has \(body.inputs.count) inputs and \(body.outputs.count) outputs, not one each")
      }
      modifiers.insert(name)
    }
    self.modifiers = modifiers
  }

  func infer(_ inputs: InferenceInputs, body: BodyTypes) throws -> [TensorType?] {
    guard inputs.types.count == 3, inputs.types.allSatisfy({ $0 != nil }) else { return [nil] }
    let shapes = try (0..<3).map { try inputs.shape($0) }
    guard let q = shapes[0], let k = shapes[1], let v = shapes[2] else {
      return [TensorType(try inputs.dtype(0), nil)]
    }
    for (name, shape) in zip(["Q", "K", "V"], [q, k, v]) where shape.count != 4 {
      throw DataError("\(name) has rank \(shape.count), not 4")
    }
    let agree = q[0].agrees(with: k[0]) && k[0].agrees(with: v[0]) && q[3].agrees(with: k[3])
    guard agree, k[1].agrees(with: v[1]), k[2].agrees(with: v[2]) else {
      throw DataError("Q, K and V do not fit")
    }
    if let heads = q[1].value, let shared = k[1].value, shared == 0 || heads % shared != 0 {
      throw DataError("\(heads) query heads do not share \(shared) heads of K and V")
    }
    return [TensorType(try inputs.dtype(0), [q[0], q[1], q[2], v[3]])]
  }

  func run(_ inputs: [RuntimeValue?], _ pool: ThreadPool, body: BodyRun) throws -> [RuntimeValue] {
    let given = try zip(0..<3, ["Q", "K", "V"]).map { try Flow.tensor(inputs, $0, $1) }
    let types = given.map { TensorType($0.dtype, $0.shape) }
    _ = try infer(InferenceInputs(types)) { _, types in types }
    let wide = precision ?? (given[0].dtype == .float64 ? .float64 : .float32)
    let compute: DType = wide == .float64 ? .float64 : .float32
    let (q, k, v) = (
      given[0].converted(to: compute), given[1].converted(to: compute), given[2].converted(to: compute)
    )
    let shared = k.shape[1]
    // Query heads in groups, each with its head of K and V.
    let grouped = q.reshaped([q.shape[0], shared, q.shape[1] / shared, q.shape[2], q.shape[3]])
    let products = try result(Einsum.self, ["equation": .string("bkgle,bkse->bkgls")], [grouped, k], pool)
    let scale = self.scale ?? 1 / Double(q.shape[3]).squareRoot()
    let factor = Tensor(scalar: scale).converted(to: compute)
    var scores = try result(Mul.self, [:], [products, factor], pool)
    scores = scores.reshaped([q.shape[0], q.shape[1], q.shape[2], k.shape[2]]).converted(to: wide)
    scores = try modified(scores, "score_mod", body)
    var weights = try result(Softmax.self, ["axis": .int(-1)], [scores], pool)
    weights = try modified(weights, "prob_mod", body).converted(to: compute)
    let sizes = [q.shape[0], shared, q.shape[1] / shared, q.shape[2], k.shape[2]]
    let sums = try result(
      Einsum.self, ["equation": .string("bkgls,bksv->bkglv")], [weights.reshaped(sizes), v], pool)
    let y = sums.reshaped([q.shape[0], q.shape[1], q.shape[2], v.shape[3]])
    return [.tensor(y.converted(to: given[0].dtype))]
  }

  /// What a graph makes of scores or probabilities, when there is one.
  private func modified(
    _ tensor: Tensor, _ name: String, _ body: BodyRun
  ) throws -> Tensor {
    guard modifiers.contains(name) else { return tensor }
    let result = try Flow.tensor(try body(name, [.tensor(tensor)])[0], "the output of \(name)")
    guard result.dtype == tensor.dtype, result.shape == tensor.shape else {
      throw DataError("\(name) turns \(Shape.text(tensor.shape)) into \(Shape.text(result.shape))")
    }
    return result
  }

  private func result(
    _ type: any Operator.Type, _ attributes: [String: Attribute], _ inputs: [Tensor], _ pool: ThreadPool
  ) throws -> Tensor {
    let op = try type.init(Attributes(attributes, opset: 23, inputCount: inputs.count))
    return try op.runAllocating(inputs, outputCount: 1, pool: pool)[0]!
  }
}
