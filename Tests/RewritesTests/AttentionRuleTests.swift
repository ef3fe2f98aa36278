import GraphIR
import Rewrites
import TestSupport
import Testing

/// Attention written out in primitives.
@Suite struct AttentionRuleTests {
  enum Scale: CaseIterable { case both, queries, keys, product, divided, none }

  struct Form: Sendable, CustomStringConvertible {
    var scale = Scale.product
    var lead = [2, 3]
    /// The mask's shape, when there is one.
    var mask: [Int]?
    var guarded = false
    var fill: Float = 0
    var swapsInputs = false
    var softmaxAxis: Int? = -1
    var description: String {
      "\(scale) \(lead) \(mask.map { "\($0)" } ?? "unmasked") \(guarded ? "guarded" : "")"
    }
  }

  private static let (queries, keys, size, width) = (5, 4, 8, 6)

  private func build(_ form: Form, opset: Int = 23) -> (Graph, [String: Tensor]) {
    let g = GraphBuilder(Graph(opsets: ["": opset]))
    var random = Seeded(31)
    var inputs: [String: Tensor] = [:]
    func input(_ name: String, _ shape: [Int]) -> Value {
      inputs[name] = random.tensor(shape)
      return g.input(name, .float32, shape.map { .known($0) })
    }
    let rank = form.lead.count + 2
    let q = input("q", form.lead + [Self.queries, Self.size])
    let k = input("k", form.lead + [Self.keys, Self.size])
    let v = input("v", form.lead + [Self.keys, Self.width])
    func scaled(_ x: Value, _ s: Float) -> Value {
      form.swapsInputs ? g.Mul(g.scalar(s), x) : g.Mul(x, g.scalar(s))
    }
    let perm = Array(0..<rank - 2) + [rank - 1, rank - 2]
    var kT = g.Transpose(k, attributes: ["perm": .ints(perm)])
    var left = q
    if form.scale == .both { (left, kT) = (scaled(q, 0.6), scaled(kT, 0.7)) }
    if form.scale == .queries { left = scaled(q, 0.5) }
    if form.scale == .keys { kT = scaled(kT, 0.4) }
    var scores = g.MatMul(left, kT)
    if form.scale == .product { scores = scaled(scores, 0.3) }
    if form.scale == .divided { scores = g.Div(scores, g.scalar(2.5)) }
    if let shape = form.mask {
      let mask = input("mask", shape)
      scores = form.swapsInputs ? g.Add(mask, scores) : g.Add(scores, mask)
    }
    let axis = form.softmaxAxis.map { ["axis": Attribute.int($0)] } ?? [:]
    var weights = g.emit("Softmax", [scores], axis, name: "softmax")[0]
    if form.guarded { weights = g.Where(g.IsNaN(weights), g.scalar(form.fill), weights) }
    g.output(g.MatMul(weights, v, name: "root"), as: "y", nil)
    return (g.graph, inputs)
  }

  static let forms: [Form] = Scale.allCases.flatMap { scale in
    [[2, 3], [6]].flatMap { lead in
      [false, true].flatMap { masked in
        [false, true].flatMap { guarded in
          [false, true].map { swaps in
            Form(
              scale: scale, lead: lead, mask: masked ? [queries, keys] : nil, guarded: guarded,
              swapsInputs: swaps)
          }
        }
      }
    }
  }

  @Test func everyForm() throws {
    for form in Self.forms {
      let (graph, inputs) = build(form)
      let harness = try RuleHarness(graph, .recognition, inputs)
      #expect(harness.count("Attention") == 1, "\(form)\n\(harness.trace)")
      #expect(harness.count("Softmax") == 0, "\(form)")
      #expect(harness.count("MatMul") == 0, "\(form)")
      // Keys come as they were before the transposition.
      #expect(harness.count("Transpose") <= (form.scale == .both || form.scale == .keys ? 2 : 0), "\(form)")
      #expect(try harness.difference(inputs) < 2e-6, "\(form)")
    }
  }

  @Test(arguments: [
    [4], [1], [], [5, 1], [1, 4], [5, 4], [1, 5, 4], [3, 5, 4], [2, 1, 5, 4], [2, 3, 5, 4], [1, 1, 1, 4],
  ])
  func masksThatBroadcast(_ shape: [Int]) throws {
    let (graph, inputs) = build(Form(mask: shape))
    let harness = try RuleHarness(graph, .recognition, inputs)
    #expect(harness.count("Attention") == 1)
    #expect(try harness.difference(inputs) < 2e-6)
  }

  /// With heads folded into the batch, a mask is the same for all of them or the pattern stays.
  @Test func masksOfFoldedHeads() throws {
    for (shape, recognised) in [
      ([5, 4], true), ([1, 5, 4], true), ([6, 5, 4], false), ([6, 1, 4], false),
    ] {
      let (graph, inputs) = build(Form(lead: [6], mask: shape))
      let harness = try RuleHarness(graph, .recognition, inputs)
      #expect(harness.count("Attention") == (recognised ? 1 : 0), "\(shape)")
      #expect(try harness.difference(inputs) < 2e-6, "\(shape)")
      if !recognised {
        #expect(
          harness.trace.contains { $0.contains("the mask differs between heads folded into the batch") })
      }
    }
  }

  /// A mask that makes the scores larger than queries and keys would.
  @Test func masksThatEnlargeStay() throws {
    for (lead, mask) in [([1, 3], [2, 1, 5, 4]), ([2, 1], [3, 5, 4]), ([1], [6, 5, 4])] {
      let (graph, inputs) = build(Form(lead: lead, mask: mask))
      let harness = try RuleHarness(graph, .recognition, inputs)
      #expect(harness.count("Attention") == 0, "\(mask)")
      #expect(!harness.trace.isEmpty)
      #expect(try harness.difference(inputs) < 2e-6)
    }
  }

  @Test func nanGuardWithAnotherConstant() throws {
    let (graph, inputs) = build(Form(guarded: true, fill: 0.25))
    let harness = try RuleHarness(graph, .recognition, inputs)
    #expect(harness.count("Attention") == 0)
    #expect(harness.trace.contains { $0.hasSuffix("rows without a key are not filled with 0") })
  }

  /// The guard does what it is for: rows whose keys are all masked give zeros.
  @Test func maskedRows() throws {
    var (graph, inputs) = build(Form(mask: [5, 4], guarded: true))
    let mask = inputs["mask"]!.copy()
    for key in 0..<4 { mask.pointer(as: Float.self)[2 * 4 + key] = -.infinity }
    mask.pointer(as: Float.self)[1] = -.infinity
    inputs["mask"] = mask
    let harness = try RuleHarness(graph, .recognition, inputs)
    #expect(harness.count("Attention") == 1)
    #expect(try harness.difference(inputs) < 2e-6)
    graph = harness.after
    #expect(try NaiveEvaluator.values(graph, inputs)["y"]!.array(of: Float.self)[2 * 6] == 0)
  }

  @Test func softmaxAlongAnotherAxis() throws {
    for axis in [-2, 0, 1, 2] {
      let (graph, inputs) = build(Form(softmaxAxis: axis))
      let harness = try RuleHarness(graph, .recognition, inputs)
      #expect(harness.count("Attention") == 0)
      #expect(harness.trace.first?.hasSuffix("Softmax is not along the keys") == true)
    }
    let (graph, inputs) = build(Form(softmaxAxis: 3))
    #expect(try RuleHarness(graph, .recognition, inputs).count("Attention") == 1)
  }

  /// Before opset 13 the axis was 1 where nothing was said, and all axes from there on were one.
  @Test func softmaxOfOldOpsets() throws {
    let (old, inputs) = build(Form(softmaxAxis: nil), opset: 12)
    let harness = try RuleHarness(old, .recognition, inputs)
    #expect(harness.count("Attention") == 0)
    let (new, _) = build(Form(softmaxAxis: nil), opset: 13)
    #expect(try RuleHarness(new, .recognition, inputs).count("Attention") == 1)
  }

  @Test func broadcastBatchStays() throws {
    let g = GraphBuilder()
    var random = Seeded(3)
    let q = g.input("q", .float32, [2, 3, 5, 8])
    let k = g.input("k", .float32, [1, 3, 8, 4])
    let v = g.input("v", .float32, [2, 3, 4, 6])
    g.output(g.MatMul(g.Softmax(g.MatMul(q, k)), v), as: "y", nil)
    let inputs = [
      "q": random.tensor([2, 3, 5, 8]), "k": random.tensor([1, 3, 8, 4]), "v": random.tensor([2, 3, 4, 6]),
    ]
    let harness = try RuleHarness(g.graph, .recognition, inputs)
    #expect(harness.isUnchanged)
    #expect(harness.trace.last?.hasSuffix("batches or heads are broadcast") == true)
  }

  /// Half-precision attention with a softmax in float32: the places where exporters put casts.
  @Test func casts() throws {
    enum Place: CaseIterable { case factors, scores, beforeMask, values }
    for place in Place.allCases {
      for lead in [[2, 3], [6]] {
        let g = GraphBuilder(Graph(opsets: ["": 14]))
        var random = Seeded(32)
        var inputs: [String: Tensor] = [:]
        func input(_ name: String, _ shape: [Int], _ dtype: DType = .float16) -> Value {
          inputs[name] = random.tensor(shape).converted(to: dtype)
          return g.input(name, dtype, shape.map { .known($0) })
        }
        func widened(_ x: Value, _ when: [Place]) -> Value {
          when.contains(place) ? g.Cast(x, attributes: ["to": .int(1)]) : x
        }
        let q = widened(input("q", lead + [5, 8]), [.factors])
        let kT = widened(input("kT", lead + [8, 4]), [.factors])
        let v = widened(input("v", lead + [4, 6]), [.values])
        let mask = input("mask", [5, 4], place == .scores ? .float16 : .float32)
        let scores = widened(g.MatMul(q, kT), [.beforeMask, .values])
        var weights = g.Softmax(widened(g.Add(scores, mask), [.scores]), attributes: ["axis": .int(-1)])
        if place != .values { weights = g.Cast(weights, attributes: ["to": .int(10)]) }
        g.output(g.MatMul(weights, v), as: "y", nil)
        let harness = try RuleHarness(g.graph, .recognition, inputs)
        let label = "\(place) \(lead): \(harness.trace)"
        #expect(harness.count("Attention") == 1 && harness.count("Softmax") == 0, "\(label)")
        #expect(try harness.difference(inputs) < 3e-3, "\(label)")
      }
    }
  }

  /// Heads joined with the batch by reshapes come apart again.
  @Test func foldedHeads() throws {
    for masked in [false, true] {
      for heads in [3, 2] {
        let g = GraphBuilder(Graph(opsets: ["": 14]))
        var random = Seeded(33)
        var inputs: [String: Tensor] = [:]
        func folded(_ name: String, _ heads: Int, _ length: Int, _ size: Int) -> Value {
          inputs[name] = random.tensor([2, heads, length, size])
          let x = g.input(name, .float32, [2, .known(heads), .known(length), .known(size)])
          return g.Reshape(x, g.ints([-1, length, size]))
        }
        let q = folded("q", 3, 5, 8)
        let k = g.Transpose(folded("k", 3, 4, 8), attributes: ["perm": .ints([0, 2, 1])])
        let v =
          heads == 3
          ? folded("v", 3, 4, 6)
          : g.Reshape(
            {
              inputs["v"] = random.tensor([6, 1, 4, 6])
              return g.input("v", .float32, [6, 1, 4, 6])
            }(),
            g.ints([6, 4, 6]))
        var scores = g.Mul(g.MatMul(q, k), g.scalar(0.3))
        if masked {
          inputs["mask"] = random.tensor([1, 5, 4])
          scores = g.Add(scores, g.input("mask", .float32, [1, 5, 4]))
        }
        let y = g.MatMul(g.Softmax(scores, attributes: ["axis": .int(-1)]), v)
        g.output(g.Reshape(y, g.ints([2, 3, 5, 6])), as: "y", nil)
        let harness = try RuleHarness(g.graph, .recognition, inputs)
        #expect(harness.count("Attention") == 1)
        #expect(harness.count("Reshape") == (heads == 3 ? 0 : 4), "\(harness.after.nodes.map(\.op))")
        if heads == 2 {
          #expect(
            harness.trace.contains {
              $0.hasPrefix("attention-of-folded") && $0.hasSuffix("batches or heads differ")
            })
        }
        #expect(try harness.difference(inputs) < 2e-6)
      }
    }
  }

  /// A mask through Where is not of the pattern.
  @Test func boolMasksStay() throws {
    let g = GraphBuilder()
    var random = Seeded(4)
    let q = g.input("q", .float32, [2, 3, 5, 8])
    let k = g.input("k", .float32, [2, 3, 8, 4])
    let v = g.input("v", .float32, [2, 3, 4, 6])
    let m = g.input("m", .bool, [5, 4])
    let scores = g.Where(m, g.MatMul(q, k), g.scalar(-1e9))
    g.output(g.MatMul(g.Softmax(scores), v), as: "y", nil)
    let inputs = [
      "q": random.tensor([2, 3, 5, 8]), "k": random.tensor([2, 3, 8, 4]), "v": random.tensor([2, 3, 4, 6]),
      "m": Tensor((0..<20).map { $0 % 3 > 0 }, shape: [5, 4]),
    ]
    #expect(try RuleHarness(g.graph, .recognition, inputs).isUnchanged)
  }

  @Test func scaleThatIsNotConstantStaysOutside() throws {
    let g = GraphBuilder()
    var random = Seeded(5)
    let q = g.input("q", .float32, [2, 3, 5, 8])
    let s = g.input("s", .float32, [])
    let k = g.input("k", .float32, [2, 3, 8, 4])
    let v = g.input("v", .float32, [2, 3, 4, 6])
    g.output(g.MatMul(g.Softmax(g.Mul(g.MatMul(q, k), s)), v), as: "y", nil)
    g.output(g.MatMul(g.Softmax(g.MatMul(g.Mul(q, s), k)), v), as: "z", nil)
    let inputs = [
      "q": random.tensor([2, 3, 5, 8]), "k": random.tensor([2, 3, 8, 4]), "v": random.tensor([2, 3, 4, 6]),
      "s": Tensor(scalar: Float(0.3)),
    ]
    let harness = try RuleHarness(g.graph, .recognition, inputs)
    // The scaled queries are queries like any other.
    #expect(harness.count("Attention") == 1)
    #expect(try harness.difference(inputs) < 2e-6)
  }

  @Test func integersAndOtherRanksStay() throws {
    for lead in [[], [2, 3, 2]] {
      let (graph, inputs) = build(Form(lead: lead))
      let harness = try RuleHarness(graph, .recognition, inputs)
      #expect(harness.count("Attention") == 0)
      #expect(harness.trace.contains { $0.hasSuffix("queries have rank \(lead.count + 2)") })
      #expect(try harness.difference(inputs) < 2e-6)
    }
  }

  /// Two attentions of one softmax: both results are right, and what is shared is not lost.
  @Test func sharedProbabilities() throws {
    var (graph, inputs) = build(Form())
    let g = GraphBuilder(graph)
    var random = Seeded(8)
    let w = g.input("w", .float32, [2, 3, 4, 2])
    inputs["w"] = random.tensor([2, 3, 4, 2])
    g.output(g.MatMul(Value("softmax"), w), as: "z", nil)
    g.output(Value("softmax"), as: "maps", nil)
    graph = g.graph
    let harness = try RuleHarness(graph, .recognition, inputs)
    #expect(harness.count("Attention") == 2)
    #expect(harness.count("Softmax") == 1)
    #expect(try harness.difference(inputs) < 2e-6)
  }

  /// A value that is altered at run time must stay in the way of what uses it.
  @Test func alteredValuesStay() throws {
    let (graph, inputs) = build(Form(guarded: true))
    for node in graph.nodes where ["MatMul", "Mul", "Softmax", "IsNaN"].contains(node.op) {
      let harness = try RuleHarness(graph, .recognition, inputs, altered: [node.outputs[0]])
      let isResult = node.outputs[0] == "root"
      // The result itself may be altered, whatever makes it.
      #expect(harness.count("Attention") == (isResult ? 1 : 0), "\(node.label)")
    }
    // The scale is read once; when it may change the scaling stays a value.
    let scale = graph.nodes.first { $0.op == "Mul" }!.inputs[1]
    let harness = try RuleHarness(graph, .recognition, inputs, altered: [scale])
    #expect(harness.count("Mul") == 1)
  }

  @Test func tagsOfTheNodeStay() throws {
    var (graph, inputs) = build(Form())
    let root = graph.nodes.firstIndex { $0.name == "root" }!
    graph.nodes[root].metadata = ["dsd.layer": "mid"]
    let harness = try RuleHarness(graph, .recognition, inputs)
    let found = harness.after.nodes.first { $0.op == "Attention" }
    #expect(found?.name == "root")
    #expect(found?.outputs.first == "root")
    #expect(found?.metadata["dsd.layer"] == "mid")
  }
}
