/// Arithmetic on gradients by parameter, float32.
enum Gradients {
  /// sum += share · gradients
  static func add(_ gradients: [String: Tensor], share: Float, to sum: inout [String: Tensor]) {
    for (name, gradient) in gradients {
      let total = sum[name] ?? .zeros(.float32, gradient.shape)
      let (t, g) = (total.pointer(as: Float.self), gradient.pointer(as: Float.self))
      for i in 0..<total.count { t[i] += share * g[i] }
      sum[name] = total
    }
  }

  /// Scales all gradients so that their common L2 norm is at most `limit`, as `torch.nn.utils.clip_grad_norm_`
  /// does: by min(1, limit / (norm + 1e-6)).
  /// - Returns: the norm before.
  static func clip(_ gradients: [String: Tensor], to limit: Float?) -> Float {
    let norms = gradients.sorted { $0.key < $1.key }.map { _, gradient in
      let g = gradient.pointer(as: Float.self)
      var sum = 0.0
      for i in 0..<gradient.count { sum += Double(g[i]) * Double(g[i]) }
      return Float(sum.squareRoot())
    }
    let norm = Float(norms.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot())
    guard let limit else { return norm }
    let factor = limit / (norm + 1e-6)
    // What is not a number is not hidden.
    guard !(factor >= 1) else { return norm }
    for gradient in gradients.values {
      let g = gradient.pointer(as: Float.self)
      for i in 0..<gradient.count { g[i] *= factor }
    }
    return norm
  }
}
