/// The paper's dynamic attention head weighting (arXiv 2305.10722): attention heads weigh as much as they matter to the
/// loss, which the gradient with respect to a mask of ones tells (Michel, Levy and Neubig 2019).
struct DynamicHeadWeightsHead: HeadDefinition {
  let name = "dynamic-head-weights"
  let summary = "attention heads weighted by their importance for the loss"
  let rule = Head.Rule.importance

  func score(_ head: HeadBuilder) -> Value {
    let g = head.graph
    let mask = head.learned("mask", Tensor([1 as Float], shape: [1]), axes: ["heads"])
    return head.mean(g.Add(head.mean(g.Mul(head.heads, mask), over: [2]), head.bias), over: [1])
  }
}
