/// The default score with a learned weight for each layer and timestep, and one for each timestep's bias. All are 1
/// at first.
struct LayerWeightsHead: HeadDefinition {
  let name = "layer-weights"
  let summary = "a learned weight for each layer and timestep, and for the bias"

  func score(_ head: HeadBuilder) -> Value {
    let g = head.graph
    let weight = head.learned("weight", Tensor([1 as Float], shape: [1, 1]), axes: ["timesteps", "layers"])
    let biasWeight = head.learned("bias_weight", Tensor([1 as Float], shape: [1]), axes: ["timesteps"])
    let attention = head.mean(g.Mul(head.attention, weight), over: [2])
    return head.mean(g.Add(attention, g.Mul(head.bias, biasWeight)), over: [1])
  }
}
