/// The default score plus what a small perceptron makes of each timestep's layers and bias. It begins as the default
/// score: the last weights are 0.
struct MLPHead: HeadDefinition {
  let name = "mlp"
  let summary = "the default score plus a perceptron on each timestep's layers and bias"
  static let hidden = 16

  func score(_ head: HeadBuilder) -> Value {
    let g = head.graph
    let hidden = MLPHead.hidden
    var random = SplitMix64(state: 0)
    // Exact arithmetic alone, so that the file is the same wherever it is written.
    func uniform(_ count: Int) -> [Float] {
      (0..<count).map { _ in (Float(random.next(below: 1 << 20)) - 0x8_0000) * 0x1p-22 }
    }
    let layers = head.learned(
      "layer_weight", Tensor(uniform(hidden), shape: [1, hidden]), axes: ["layers", nil])
    let bias = head.learned("bias_weight", Tensor(uniform(hidden), shape: [hidden]), axes: [nil])
    let shift = head.learned("shift", Tensor.zeros(.float32, [hidden]), axes: [nil])
    let last = head.learned("last_weight", Tensor.zeros(.float32, [hidden]), axes: [nil])
    let end = g.ints([-1], "end")
    let fromLayers = g.ReduceSum(
      g.Mul(g.Unsqueeze(head.attention, end), layers), g.ints([2], "axes"),
      attributes: ["keepdims": .int(0)])
    let fromBias = g.Mul(g.Unsqueeze(head.bias, end), bias)
    let active = g.Relu(g.Add(g.Add(fromLayers, fromBias), shift))
    let more = g.ReduceSum(g.Mul(active, last), end, attributes: ["keepdims": .int(0)])
    let plain = g.Add(head.mean(head.attention, over: [2]), head.bias)
    return head.mean(g.Add(plain, more), over: [1])
  }
}
