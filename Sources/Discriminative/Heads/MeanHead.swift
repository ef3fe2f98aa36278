/// The default score: the mean over timesteps of the bias and of the mean over the layers.
struct MeanHead: HeadDefinition {
  let name = "mean"
  let summary = "the default score: the mean over layers plus the bias; nothing is learned"

  func score(_ head: HeadBuilder) -> Value {
    head.mean(head.graph.Add(head.mean(head.attention, over: [2]), head.bias), over: [1])
  }
}
