import OrderedCollections

/// An objective whose batches are shared out: each process evaluates some of the examples, and all have the whole
/// result.
///
/// Losses and scores are those of one process. Gradients are sums of each process's, in float64, and differ from those
/// of one process in their last bits.
final class DistributedObjective: TrainingObjective {
  private let own: any TrainingObjective
  private let group: any ProcessGroup

  init(_ own: any TrainingObjective, _ group: any ProcessGroup) {
    self.own = own
    self.group = group
  }

  var parameters: OrderedDictionary<String, Tensor> { own.parameters }

  func evaluate(
    _ batch: [TrainingExample], draws: [StepDraw], parameters: [String: Tensor], wantsGradients: Bool
  ) throws -> BatchResult {
    // Neighbours stay together: they have images and captions in common.
    let start = batch.count * group.rank / group.size
    let end = batch.count * (group.rank + 1) / group.size
    var result = BatchResult(examples: [])
    if start < end {
      result = try own.evaluate(
        Array(batch[start..<end]), draws: Array(draws[start..<end]), parameters: parameters,
        wantsGradients: wantsGradients)
    }

    // Each example's loss and scores, zeros where they are another process's.
    var values: [Double] = []
    for (place, example) in batch.enumerated() {
      let own = start <= place && place < end ? result.examples[place - start] : nil
      values.append(own?.loss ?? 0)
      values += own?.scores ?? Array(repeating: 0, count: example.pairs.count)
    }
    let names = wantsGradients ? self.parameters.keys.sorted() : []
    let share = Double(end - start) / Double(batch.count)
    for name in names {
      let gradient = result.gradients[name]
      guard let gradient else {
        values += Array(repeating: 0, count: self.parameters[name]!.count)
        continue
      }
      withExtendedLifetime(gradient) {
        let elements = gradient.pointer(as: Float.self)
        values += (0..<gradient.count).map { share * Double(elements[$0]) }
      }
    }
    try group.allReduce(&values)

    var next = 0
    var whole = BatchResult(examples: [])
    for example in batch {
      let scores = Array(values[next + 1..<next + 1 + example.pairs.count])
      whole.examples.append(.init(loss: values[next], scores: scores))
      next += 1 + scores.count
    }
    for name in names {
      let shape = self.parameters[name]!.shape
      let gradient = Tensor(.float32, shape)
      withExtendedLifetime(gradient) {
        let elements = gradient.pointer(as: Float.self)
        for place in 0..<gradient.count { elements[place] = Float(values[next + place]) }
      }
      next += gradient.count
      whole.gradients[name] = gradient
    }
    return whole
  }
}
