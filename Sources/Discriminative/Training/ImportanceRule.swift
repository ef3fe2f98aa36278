import OrderedCollections

/// Learns by importance: each element of a parameter becomes the mean over the examples of the loss's absolute gradient
/// with respect to it, divided by the parameter's mean of these.
///
/// With a mask of ones on attention heads that is their importance after Michel, Levy and Neubig (2019), scaled so that
/// a mean stays a mean.
public enum ImportanceRule {
  /// - Parameter progress: told the number of finished and of all examples.
  /// - Throws: what the objective throws, and `DataError` when a gradient is not a number.
  public static func learn(
    _ objective: any TrainingObjective, _ examples: [TrainingExample], draws: StepDraws,
    progress: ((Int, Int) -> Void)? = nil
  ) throws -> OrderedDictionary<String, Tensor> {
    let parameters = objective.parameters
    let values = Dictionary(parameters.map { ($0.key, $0.value) }, uniquingKeysWith: { a, _ in a })
    var sums = values.mapValues { [Double](repeating: 0, count: $0.count) }
    for (place, example) in examples.enumerated() {
      // One at a time: absolute gradients do not come out of a batch's mean.
      let result = try objective.evaluate(
        [example], draws: [draws.draw(step: 0, place: place)], parameters: values, wantsGradients: true)
      for (name, gradient) in result.gradients {
        let g = gradient.pointer(as: Float.self)
        for i in 0..<gradient.count { sums[name]![i] += Double(abs(g[i])) }
      }
      progress?(place + 1, examples.count)
    }
    return try OrderedDictionary(
      uniqueKeys: parameters.keys,
      values: parameters.map { name, tensor in
        let sum = sums[name]!
        let mean = sum.reduce(0, +) / Double(max(sum.count, 1))
        guard mean.isFinite else { throw DataError("the importance of '\(name)' is not a number") }
        // Where nothing matters all matter the same.
        return Tensor(sum.map { mean > 0 ? Float($0 / mean) : 1 }, shape: tensor.shape)
      })
  }
}
