import Foundation
import GraphIR
import Interpreter
import Operators
import Rewrites

/// Compares gradients that a graph computes with central differences, in float64.
public struct GradientHarness {
  /// The relative error ‖g − d‖ / max(‖g‖, ‖d‖) of each value's gradient.
  public private(set) var errors: [String: Double] = [:]
  /// The operators of the graph with gradients.
  public private(set) var operators: Set<String> = []

  /// L is the sum of the outputs with random weights.
  /// - Parameters:
  ///   - inputs: tensors of float64 for the graph's inputs, and whatever else it takes.
  ///   - wrt: what L is differentiated by.
  ///   - step: of the differences; their own error grows with its square, that of rounding with its inverse.
  public init(
    inputs: [String: Tensor], wrt: [String], opset: Int = 23, step: Double = 1e-5,
    _ build: (GraphBuilder) throws -> [Value]
  ) throws {
    let g = GraphBuilder(Graph(opsets: ["": opset]))
    for (name, tensor) in inputs.sorted(by: { $0.key < $1.key }) {
      g.input(name, tensor.dtype, tensor.shape.map { .known($0) })
    }
    let outputs = try build(g)
    for (position, output) in outputs.enumerated() { g.output(output, as: "out\(position)", nil) }
    let pool = ThreadPool(threads: 2)
    let types = inputs.mapValues { TensorType($0.dtype, $0.shape) }
    let forward = try Plan(Preparation(g.graph, .standard, inputs: types, pool: pool))

    var random = Seeded(7)
    let shapes = try forward.run(inputs).mapValues(\.shape)
    var weights: [String: Tensor] = [:]
    var total: Value?
    for position in outputs.indices {
      let shape = shapes["out\(position)"]!
      let values = (0..<shape.reduce(1, *)).map { _ in Double.random(in: -1...1, using: &random) }
      weights["out\(position)"] = Tensor(values, shape: shape)
      let weighted = g.Mul(Value("out\(position)"), g.constant(weights["out\(position)"]!))
      let sum = g.ReduceSum(weighted, attributes: ["keepdims": .int(0)])
      total = total.map { g.Add($0, sum) } ?? sum
    }
    g.output(total!, as: "L", nil)
    let preparation = try Preparation(
      g.graph, .standard, inputs: types, outputs: [], rewrites: [Gradient(of: "L", wrt: wrt)], pool: pool)
    operators = Set(preparation.graph.nodes.map(\.qualifiedOp))
    let gradients = try Plan(preparation).run(inputs)

    func loss(_ inputs: [String: Tensor]) throws -> Double {
      try forward.run(inputs).reduce(0) { sum, output in
        let w = weights[output.key]!.array(of: Double.self)
        return sum + zip(w, output.value.array(of: Double.self)).reduce(0) { $0 + $1.0 * $1.1 }
      }
    }
    for name in wrt {
      let analytic = gradients[Gradient.name(name)]!.array(of: Double.self)
      let values = inputs[name]!.array(of: Double.self)
      var difference = 0.0
      var (a, b) = (0.0, 0.0)
      for index in values.indices {
        func shifted(_ by: Double) throws -> Double {
          var moved = values
          moved[index] += by
          var all = inputs
          all[name] = Tensor(moved, shape: inputs[name]!.shape)
          return try loss(all)
        }
        let slope = (try shifted(step) - shifted(-step)) / (2 * step)
        difference += (slope - analytic[index]) * (slope - analytic[index])
        a += slope * slope
        b += analytic[index] * analytic[index]
      }
      let scale = max(a, b).squareRoot()
      errors[name] = scale == 0 ? 0 : difference.squareRoot() / scale
    }
  }

  /// The largest of the errors.
  public var worst: Double { errors.values.map { $0.isNaN ? .infinity : $0 }.max() ?? .infinity }

  /// Numbers between `low` and `high`, the same for a seed in every run.
  public static func random(_ shape: [Int], seed: UInt64, _ low: Double = -1, _ high: Double = 1) -> Tensor {
    var random = Seeded(seed)
    let values = (0..<shape.reduce(1, *)).map { _ in Double.random(in: low...high, using: &random) }
    return Tensor(values, shape: shape)
  }
}
