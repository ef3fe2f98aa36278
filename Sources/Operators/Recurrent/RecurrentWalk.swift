import GraphIR

/// One direction of a recurrent operator: the states of a whole batch, and their way from step to step.
struct RecurrentWalk<T: MatrixScalar> {
  let form: RecurrentForm
  let batch: Int
  let hidden: Int
  let activations: [RecurrentActivation]
  /// Of all gates.
  let recurrentBias: UnsafePointer<T>?
  /// [gates · hidden, hidden]
  let recurrent: UnsafePointer<T>
  /// Of the input, output and forget gates.
  let peephole: UnsafePointer<T>?
  /// [batch, hidden]
  private(set) var h: [T]
  private(set) var c: [T]
  /// What h adds to each gate, [batch, gates · hidden].
  private var sums: [T]

  init(
    _ form: RecurrentForm, batch: Int, hidden: Int, activations: [RecurrentActivation],
    recurrentBias: UnsafePointer<T>?, recurrent: UnsafePointer<T>, peephole: UnsafePointer<T>?, h: [T], c: [T]
  ) {
    (self.form, self.batch, self.hidden, self.activations) = (form, batch, hidden, activations)
    (self.recurrentBias, self.recurrent, self.peephole) = (recurrentBias, recurrent, peephole)
    (self.h, self.c) = (h, c)
    sums = [T](repeating: 0, count: batch * form.cell.gates * hidden)
  }

  /// - Parameter x: what a batch element's input adds to each gate, nil when its sequence has ended.
  mutating func advance(_ x: (_ item: Int) -> UnsafePointer<T>?) {
    switch form.cell {
    case .rnn, .lstm: multiply(0, form.cell.gates, h)
    case .gru: multiply(0, 2, h)
    }
    // The part of the state that passes the reset gate, where that comes before the product.
    var passed = h
    if form.cell == .gru {
      for item in 0..<batch {
        guard let x = x(item) else { continue }
        gateGRU(item, x, &passed)
      }
      multiply(2, 1, form.linearBeforeReset ? h : passed)
    }
    for item in 0..<batch {
      guard let x = x(item) else { continue }
      switch form.cell {
      case .rnn: rnn(item, x)
      case .gru: gru(item, x)
      case .lstm: lstm(item, x)
      }
    }
  }

  /// Rows of R for `count` gates from `first` on times the states, plus the recurrent bias, into `sums`.
  private mutating func multiply(_ first: Int, _ count: Int, _ states: [T]) {
    let (batch, hidden, width, columns) = (batch, hidden, form.cell.gates * hidden, count * hidden)
    let (rows, bias) = (recurrent + first * hidden * hidden, recurrentBias)
    sums.withUnsafeMutableBufferPointer { buffer in
      let target = buffer.baseAddress! + first * hidden
      for item in 0..<batch {
        let line = target + item * width
        if let bias { line.update(from: bias + first * hidden, count: columns) }
      }
      T.gemm(
        false, true, batch, columns, hidden, 1, states, hidden, rows, hidden, bias == nil ? 0 : 1, target,
        width)
    }
  }

  private func clipped(_ x: T) -> T {
    guard let clip = form.clip else { return x }
    return min(T(clip), max(T(-clip), x))
  }

  private mutating func rnn(_ item: Int, _ x: UnsafePointer<T>) {
    for k in item * hidden..<(item + 1) * hidden {
      h[k] = activations[0](clipped(x[k - item * hidden] + sums[k]))
    }
  }

  /// Leaves the update and reset gates in `sums`.
  private mutating func gateGRU(_ item: Int, _ x: UnsafePointer<T>, _ passed: inout [T]) {
    let first = item * 3 * hidden
    for k in 0..<2 * hidden { sums[first + k] = activations[0](clipped(x[k] + sums[first + k])) }
    for k in 0..<hidden { passed[item * hidden + k] *= sums[first + hidden + k] }
  }

  private mutating func gru(_ item: Int, _ x: UnsafePointer<T>) {
    let first = item * 3 * hidden
    for k in 0..<hidden {
      let (update, reset) = (sums[first + k], sums[first + hidden + k])
      let product = sums[first + 2 * hidden + k]
      let candidate = x[2 * hidden + k] + (form.linearBeforeReset ? reset * product : product)
      let next = activations[1](clipped(candidate))
      h[item * hidden + k] = (1 - update) * next + update * h[item * hidden + k]
    }
  }

  private mutating func lstm(_ item: Int, _ x: UnsafePointer<T>) {
    let first = item * 4 * hidden
    for k in 0..<hidden {
      func gate(_ position: Int) -> T { x[position * hidden + k] + sums[first + position * hidden + k] }
      func peek(_ position: Int) -> T { peephole.map { $0[position * hidden + k] } ?? 0 }
      let place = item * hidden + k
      let i = activations[0](clipped(gate(0) + peek(0) * c[place]))
      let f = form.couplesForget ? 1 - i : activations[0](clipped(gate(2) + peek(2) * c[place]))
      let cell = f * c[place] + i * activations[1](clipped(gate(3)))
      c[place] = cell
      h[place] = activations[0](clipped(gate(1) + peek(1) * cell)) * activations[2](cell)
    }
  }
}
