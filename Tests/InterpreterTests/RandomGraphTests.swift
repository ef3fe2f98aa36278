import GraphIR
import Interpreter
import TestSupport
import Testing

/// Planned runs of random graphs beside an evaluation in which no two values share memory.
@Suite struct RandomGraphTests {
  private func check(_ seeds: Range<UInt64>, _ change: (inout RandomGraph.Options, UInt64) -> Void) throws {
    for seed in seeds {
      var options = RandomGraph.Options()
      change(&options, seed)
      let random = try RandomGraph(seed: seed, options)
      let expected = try NaiveEvaluator.values(random.graph, random.inputs)
      let kept = random.inputs.mapValues { $0.copy() }
      let plan = try plan(random.graph, random.inputs)
      let first = try plan.run(random.inputs)
      let second = try plan.run(random.inputs)
      for output in random.graph.outputs {
        let wanted = expected[output.name]!
        #expect(
          first[output.name]!.isIdentical(to: wanted), "seed \(seed), \(output.name)\n\(random.graph.text)")
        #expect(second[output.name]!.isIdentical(to: wanted), "seed \(seed), second run, \(output.name)")
      }
      for (name, tensor) in random.inputs { #expect(tensor.isIdentical(to: kept[name]!), "seed \(seed)") }
    }
  }

  @Test func float32() throws { try check(0..<250) { $0.nodes = 8 + Int($1 % 40) } }

  @Test func shapesKnownAtRunTime() throws {
    try check(1000..<1150) {
      $0.nodes = 8 + Int($1 % 40)
      $0.dynamic = true
    }
  }

  /// Runs round less often than an evaluation that rounds every value: they are as near to float32, and a second
  /// run gives the same.
  @Test(arguments: [DType.float16, .bfloat16]) func halves(_ dtype: DType) throws {
    let unit = dtype == .float16 ? 0x1p-11 : 0x1p-8
    for seed in 2000..<2040 as Range<UInt64> {
      var options = RandomGraph.Options()
      options.dtype = dtype
      let random = try RandomGraph(seed: seed, options)
      func widened(_ tensor: Tensor) -> Tensor {
        tensor.dtype == dtype ? tensor.converted(to: .float32) : tensor
      }
      var wide = random.graph
      wide.initializers = wide.initializers.mapValues { Initializer(widened($0.tensor!)) }
      let exact = try NaiveEvaluator.values(wide, random.inputs.mapValues(widened))
      let rounded = try NaiveEvaluator.values(random.graph, random.inputs)
      let plan = try plan(random.graph, random.inputs)
      let (first, second) = (try plan.run(random.inputs), try plan.run(random.inputs))
      for output in random.graph.outputs {
        let (own, reference) = (first[output.name]!, exact[output.name]!)
        #expect(own.dtype == rounded[output.name]!.dtype && second[output.name]!.isIdentical(to: own))
        let allowed = 2 * Comparison.relativeToPeak(rounded[output.name]!, reference) + 2 * unit
        #expect(Comparison.relativeToPeak(own, reference) <= allowed, "seed \(seed), \(output.name)")
      }
    }
  }

  @Test func anyNumberOfThreads() throws {
    for seed in 3000..<3030 as Range<UInt64> {
      let random = try RandomGraph(seed: seed)
      let one = try plan(random.graph, random.inputs).run(random.inputs)
      for threads in [2, 3] {
        let more = try plan(random.graph, random.inputs, threads: threads).run(random.inputs)
        for (name, tensor) in one { #expect(tensor.isIdentical(to: more[name]!), "seed \(seed), \(name)") }
      }
    }
  }

  /// Feeding any intermediate value gives what substituting it gives.
  @Test func fedIntermediateValues() throws {
    for seed in 4000..<4060 as Range<UInt64> {
      let random = try RandomGraph(seed: seed)
      let before = try NaiveEvaluator.values(random.graph, random.inputs)
      var generator = Seeded(seed)
      let made = random.graph.nodes.flatMap(\.outputs).filter { before[$0]!.dtype == .float32 }
      let name = made.randomElement(using: &generator)!
      var inputs = random.inputs
      inputs[name] = generator.tensor(before[name]!.shape)
      let expected = try NaiveEvaluator.values(random.graph, inputs)
      let plan = try plan(random.graph, inputs)
      let results = try plan.run(inputs)
      for output in random.graph.outputs {
        #expect(results[output.name]!.isIdentical(to: expected[output.name]!), "seed \(seed), \(name) fed")
      }
    }
  }

  /// What a run gave is not touched by the next one.
  @Test func outputsOutliveTheNextRun() throws {
    for seed in 5000..<5020 as Range<UInt64> {
      var options = RandomGraph.Options()
      options.dynamic = seed % 2 == 0
      let random = try RandomGraph(seed: seed, options)
      let plan = try plan(random.graph, random.inputs)
      let first = try plan.run(random.inputs)
      let kept = first.mapValues { $0.copy() }
      let others = random.inputs.mapValues { tensor in
        tensor.dtype == .float32 ? Tensor(tensor.floats.map { -2 * $0 }, shape: tensor.shape) : tensor
      }
      _ = try plan.run(others)
      for (name, tensor) in first { #expect(tensor.isIdentical(to: kept[name]!), "seed \(seed), \(name)") }
    }
  }
}
