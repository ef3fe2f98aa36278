import GraphIR

/// What LSTM, GRU and RNN share: attributes, shapes and the walk over the steps.
struct RecurrentForm {
  enum Cell: Int {
    case rnn = 1
    case gru = 3
    case lstm = 4

    var gates: Int { rawValue }
    var activations: [String] {
      switch self {
      case .rnn: ["Tanh"]
      case .gru: ["Sigmoid", "Tanh"]
      case .lstm: ["Sigmoid", "Tanh", "Tanh"]
      }
    }
  }

  static let attributes: [String: Schema.Default] = [
    "activation_alpha": .none, "activation_beta": .none, "activations": .none, "clip": .none,
    "direction": .string("forward"), "hidden_size": .none, "layout": .int(0),
  ]

  let cell: Cell
  let reversed: [Bool]
  let activations: [RecurrentActivation]
  let clip: Double?
  let batchFirst: Bool
  let hiddenSize: Int?
  let linearBeforeReset: Bool
  let couplesForget: Bool

  init(_ cell: Cell, _ attributes: Attributes) throws {
    self.cell = cell
    let direction = try attributes.string("direction") ?? "forward"
    switch direction {
    case "forward": reversed = [false]
    case "reverse": reversed = [true]
    case "bidirectional": reversed = [false, true]
    default: throw DataError("direction '\(direction)' is not known")
    }
    var names = reversed.flatMap { _ in cell.activations }
    if case .strings(let given)? = attributes.values["activations"], !given.isEmpty {
      guard given.count == names.count else {
        throw DataError("\(given.count) activations are given, \(names.count) are needed")
      }
      names = given
    }
    activations = try RecurrentActivation.list(
      names, alphas: attributes.floats("activation_alpha") ?? [],
      betas: attributes.floats("activation_beta") ?? [])
    clip = try attributes.float("clip").map { Double($0) }
    batchFirst = try attributes.bool("layout")
    hiddenSize = try attributes.int("hidden_size")
    linearBeforeReset = try attributes.bool("linear_before_reset")
    couplesForget = try attributes.bool("input_forget")
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let dtype = try inputs.dtype(0)
    guard let x = try inputs.shape(0), let w = try inputs.shape(1), let r = try inputs.shape(2) else {
      return [TensorType](repeating: TensorType(dtype, nil as [Dim]?), count: cell == .lstm ? 3 : 2)
    }
    guard x.count == 3, w.count == 3, r.count == 3 else {
      throw DataError("X, W and R must have rank 3, not \(x.count), \(w.count) and \(r.count)")
    }
    let (steps, batch) = batchFirst ? (x[1], x[0]) : (x[0], x[1])
    let hidden = r[2]
    let (gates, directions) = (Dim.known(cell.gates) * hidden, Dim.known(reversed.count))
    func fit(_ name: String, _ position: Int, _ shape: [Dim]) throws {
      guard inputs.has(position), let given = try inputs.shape(position) else { return }
      guard given.count == shape.count, zip(given, shape).allSatisfy({ $0.agrees(with: $1) }) else {
        throw DataError("\(name) is \(try inputs.type(position)), not \(TensorType(dtype, shape))")
      }
    }
    if let size = hiddenSize, !hidden.agrees(with: .known(size)) {
      throw DataError("hidden_size \(size) differs from R's \(hidden)")
    }
    let state = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden]
    try fit("W", 1, [directions, gates, x[2]])
    try fit("R", 2, [directions, gates, hidden])
    try fit("B", 3, [directions, gates + gates])
    try fit("sequence_lens", 4, [batch])
    try fit("initial_h", 5, state)
    try fit("initial_c", 6, state)
    try fit("P", 7, [directions, Dim.known(3) * hidden])
    let y = batchFirst ? [batch, steps, directions, hidden] : [steps, directions, batch, hidden]
    let types = [TensorType(dtype, y), TensorType(dtype, state), TensorType(dtype, state)]
    return Array(types.prefix(cell == .lstm ? 3 : 2))
  }

  func run(_ inputs: [Tensor?], _ outputs: [Tensor?]) throws {
    switch inputs[0]?.dtype {
    case .float32: try run(Float.self, inputs, outputs)
    case .float64: try run(Double.self, inputs, outputs)
    default: throw DataError("the input's type is not supported")
    }
  }

  private func run<T: MatrixScalar>(_ type: T.Type, _ inputs: [Tensor?], _ outputs: [Tensor?]) throws {
    func input(_ position: Int) -> Tensor? { position < inputs.count ? inputs[position] : nil }
    func output(_ position: Int) -> UnsafeMutablePointer<T>? {
      position < outputs.count ? outputs[position]?.pointer(as: type) : nil
    }
    guard let x = input(0), let w = input(1), let r = input(2) else { return }
    let (steps, batch) = batchFirst ? (x.shape[1], x.shape[0]) : (x.shape[0], x.shape[1])
    let (size, hidden, directions) = (x.shape[2], r.shape[2], reversed.count)
    let gates = cell.gates * hidden
    try BLAS.check(steps * batch, gates, size)
    var lengths = [Int](repeating: steps, count: batch)
    if let given = input(4) { lengths = given.converted(to: .int64).array(of: Int64.self).map { Int($0) } }
    for length in lengths where length < 0 || length > steps {
      throw DataError("a sequence length of \(length) is out of 0...\(steps)")
    }
    func row(_ step: Int, _ item: Int) -> Int { batchFirst ? item * steps + step : step * batch + item }
    func state(_ d: Int, _ item: Int) -> Int {
      (batchFirst ? item * directions + d : d * batch + item) * hidden
    }
    let sequence = output(0)
    sequence?.update(repeating: 0, count: steps * batch * directions * hidden)

    for d in 0..<directions where hidden > 0 && batch > 0 {
      let bias = input(3).map { UnsafePointer($0.pointer(as: type) + d * 2 * gates) }
      let projected = self.projected(
        rows: steps * batch, gates, size, x.pointer(as: type), w.pointer(as: type) + d * gates * size, bias)
      func initial(_ position: Int) -> [T] {
        guard let given = input(position)?.pointer(as: type) else {
          return [T](repeating: 0, count: batch * hidden)
        }
        return (0..<batch).flatMap { UnsafeBufferPointer(start: given + state(d, $0), count: hidden) }
      }
      var walk = RecurrentWalk<T>(
        self, batch: batch, hidden: hidden,
        activations: Array(activations[d * cell.activations.count..<(d + 1) * cell.activations.count]),
        recurrentBias: bias.map { $0 + gates }, recurrent: r.pointer(as: type) + d * gates * hidden,
        peephole: input(7).map { UnsafePointer($0.pointer(as: type) + d * 3 * hidden) },
        h: initial(5), c: initial(6))
      for count in 0..<(lengths.max() ?? 0) {
        func step(_ item: Int) -> Int? {
          count < lengths[item] ? (reversed[d] ? lengths[item] - 1 - count : count) : nil
        }
        projected.withUnsafeBufferPointer { inputs in
          walk.advance { item in step(item).map { inputs.baseAddress! + row($0, item) * gates } }
        }
        guard let sequence else { continue }
        for item in 0..<batch {
          guard let t = step(item) else { continue }
          let place = batchFirst ? (item * steps + t) * directions + d : (t * directions + d) * batch + item
          copy(walk.h, item, hidden, to: sequence + place * hidden)
        }
      }
      for item in 0..<batch {
        if let last = output(1) { copy(walk.h, item, hidden, to: last + state(d, item)) }
        if cell == .lstm, let last = output(2) { copy(walk.c, item, hidden, to: last + state(d, item)) }
      }
    }
  }

  private func copy<T>(_ states: [T], _ item: Int, _ hidden: Int, to target: UnsafeMutablePointer<T>) {
    states.withUnsafeBufferPointer { target.update(from: $0.baseAddress! + item * hidden, count: hidden) }
  }

  /// What the inputs of all steps add to the gates, [rows, gates]: X Wᵀ plus the input bias.
  private func projected<T: MatrixScalar>(
    rows: Int, _ gates: Int, _ size: Int, _ x: UnsafePointer<T>, _ w: UnsafePointer<T>,
    _ bias: UnsafePointer<T>?
  ) -> [T] {
    var result = [T](repeating: 0, count: rows * gates)
    if rows == 0 { return result }
    result.withUnsafeMutableBufferPointer { buffer in
      let target = buffer.baseAddress!
      if let bias { for row in 0..<rows { (target + row * gates).update(from: bias, count: gates) } }
      if size > 0 { T.gemm(false, true, rows, gates, size, 1, x, size, w, size, 1, target, gates) }
    }
    return result
  }
}
