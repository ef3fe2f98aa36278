import GraphIR

/// A random graph of cheap operators that exercises planning: views, in-place operators, values used several
/// times, variadic operators, constants, outputs of all kinds, and shapes known only at run time.
public struct RandomGraph {
  public private(set) var graph: Graph
  public private(set) var inputs: [String: Tensor] = [:]

  /// What a graph may be made of.
  public struct Options: Sendable {
    public var nodes = 24
    /// Reshapes to shapes that are fed, which planning cannot know.
    public var dynamic = false
    /// The element type of values.
    public var dtype = DType.float32
    public init() {}
  }

  private let g = GraphBuilder()
  private var random: Seeded
  private let dtype: DType
  /// Values with their shapes.
  private var pool: [(value: Value, shape: [Int])] = []
  private var fed: [String: Tensor] = [:]

  public init(seed: UInt64, _ options: Options = Options()) throws {
    random = Seeded(seed)
    dtype = options.dtype
    graph = g.graph
    for number in 0..<3 {
      let shape = (0..<Int.random(in: 1...3, using: &random)).map { _ in
        [1, 2, 3, 4, 6].randomElement(using: &random)!
      }
      let name = "x\(number)"
      let value = g.input(name, dtype, shape.map { .known($0) })
      fed[name] = random.tensor(shape).converted(to: dtype)
      pool.append((value, shape))
    }
    pool.append((constant([4]), [4]))
    if options.dynamic { g.input("flat", .int64, [1]) }
    fed["flat"] = options.dynamic ? Tensor([Int64(-1)], shape: [1]) : nil
    while g.graph.nodes.count < options.nodes {
      if options.dynamic, Int.random(in: 0..<5, using: &random) == 0 {
        let (x, shape) = pick()
        add(g.Reshape(x, Value("flat")), [Shape.count(shape)])
      } else {
        step()
      }
    }
    var outputs = pool.suffix(2).map(\.value)
    for _ in 0..<3 { outputs.append(pick().value) }
    // Sometimes an input, a constant, or the same value twice is an output.
    if Bool.random(using: &random) { outputs.append(pool[Int.random(in: 0..<4, using: &random)].value) }
    if Bool.random(using: &random) { outputs.append(outputs[0]) }
    let names = outputs.map(\.name)
    g.edit { graph in graph.outputs = names.map { ValueInfo($0, nil) } }
    graph = g.graph
    inputs = fed
  }

  public var types: [String: TensorType] { inputs.mapValues { TensorType($0.dtype, $0.shape) } }

  private mutating func pick(where fits: ([Int]) -> Bool = { _ in true }) -> (value: Value, shape: [Int]) {
    // Recent values more often, so that chains form in which memory is used again.
    let recent = pool.suffix(6).filter { fits($0.shape) }
    if !recent.isEmpty, Int.random(in: 0..<3, using: &random) > 0 {
      return recent.randomElement(using: &random)!
    }
    return pool.filter { fits($0.shape) }.randomElement(using: &random) ?? pool[0]
  }

  private mutating func add(_ value: Value, _ shape: [Int]) { pool.append((value, shape)) }

  private mutating func constant(_ shape: [Int]) -> Value {
    g.constant(random.tensor(shape).converted(to: dtype), "c")
  }

  private mutating func step() {
    let (x, shape) = pick()
    let rank = shape.count
    switch Int.random(in: 0..<15, using: &random) {
    case 0:
      let op = ["Neg", "Abs", "Sigmoid", "Tanh", "Relu", "Identity"].randomElement(using: &random)!
      add(g.emit(op, [x])[0], shape)
    case 1, 2:
      let other = pick { $0 == shape || $0.isEmpty || $0 == [1] || $0 == shape.suffix(1) }
      guard let result = broadcast(shape, other.shape) else { return }
      let op = ["Add", "Sub", "Mul"].randomElement(using: &random)!
      let swap = Bool.random(using: &random)
      add(g.emit(op, swap ? [other.value, x] : [x, other.value])[0], result)
    case 3: add(g.emit(["Add", "Mul"].randomElement(using: &random)!, [x, x])[0], shape)
    case 4:
      // The first input comes back after the sum has begun.
      let other = pick { $0 == shape }
      guard other.shape == shape else { return }
      let op = ["Sum", "Max", "Mean"].randomElement(using: &random)!
      add(g.emit(op, [x, other.value, x])[0], shape)
    case 5:
      let other = pick { $0 == shape }
      guard other.shape == shape else { return }
      add(g.Where(g.Less(x, other.value), x, other.value), shape)
    case 6:
      guard rank >= 2 else { return }
      let width = Int.random(in: 1...5, using: &random)
      add(g.Tanh(g.MatMul(x, constant([shape[rank - 1], width]))), shape.dropLast() + [width])
    case 7:
      guard rank == 2 else { return }
      let other = pick { $0.count == 1 && $0[0] == shape[0] }
      let bias = other.shape == [shape[0]] ? other.value : nil
      add(
        g.Tanh(g.Gemm(x, x, bias, attributes: ["transB": .int(1)])), [shape[0], shape[0]])
    case 8:
      let count = Shape.count(shape)
      let divisor = [1, 2, 3, 4].filter { count % $0 == 0 }.randomElement(using: &random)!
      let target = [divisor, count / divisor]
      add(g.Reshape(x, g.ints(target)), target)
    case 9:
      let perm = Array(0..<rank).shuffled(using: &random)
      add(g.Transpose(x, attributes: ["perm": .ints(perm)]), perm.map { shape[$0] })
    case 10:
      let other = pick { $0 == shape }
      guard other.shape == shape, rank > 0, Shape.count(shape) < 200 else { return }
      let axis = Int.random(in: 0..<rank, using: &random)
      var result = shape
      result[axis] *= 2
      add(g.Concat(x, other.value, attributes: ["axis": .int(axis)]), result)
    case 11:
      guard let axis = shape.firstIndex(where: { $0 >= 2 }) else { return }
      let first = Int.random(in: 1..<shape[axis], using: &random)
      let sizes = [first, shape[axis] - first]
      let parts = g.emit("Split", [x, g.ints(sizes)], ["axis": .int(axis)], outputs: 2)
      for (part, size) in zip(parts, sizes) {
        var result = shape
        result[axis] = size
        add(part, result)
      }
    case 12:
      guard let axis = shape.lastIndex(where: { $0 >= 2 }) else { return }
      let start = Int.random(in: 0..<shape[axis] - 1, using: &random)
      var result = shape
      result[axis] -= start
      add(g.Slice(x, g.ints([start]), g.ints([shape[axis]]), g.ints([axis])), result)
    case 13:
      guard rank > 0 else { return }
      if Bool.random(using: &random) { return add(g.Softmax(x), shape) }
      var result = shape
      result[rank - 1] = 1
      add(g.ReduceMean(x, g.ints([rank - 1])), result)
    default:
      guard rank < 4 else { return add(g.Flatten(x), [shape[0], Shape.count(Array(shape.dropFirst()))]) }
      add(g.Unsqueeze(x, g.ints([0])), [1] + shape)
    }
  }

  private func broadcast(_ a: [Int], _ b: [Int]) -> [Int]? {
    Shape.broadcast(a.map { .known($0) }, b.map { .known($0) })?.compactMap(\.value)
  }
}
