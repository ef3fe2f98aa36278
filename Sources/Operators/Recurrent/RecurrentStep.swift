import GraphIR

/// One step of one batch element of a recurrent operator.
struct RecurrentStep<T: MatrixScalar> {
  let form: RecurrentForm
  let hidden: Int
  let activations: [RecurrentActivation]
  /// Input biases of all gates, then recurrent ones.
  let bias: UnsafePointer<T>?
  /// [gates · hidden, hidden]
  let recurrent: UnsafePointer<T>
  /// Of the input, output and forget gates.
  let peephole: UnsafePointer<T>?

  private func clipped(_ x: T) -> T {
    guard let clip = form.clip else { return x }
    return min(T(clip), max(T(-clip), x))
  }

  /// Rows of R for `count` gates from `first` on, times h, plus the recurrent bias.
  private func product(_ first: Int, _ count: Int, _ h: [T]) -> [T] {
    let rows = count * hidden
    var result = [T](repeating: 0, count: rows)
    if let bias {
      let start = bias + (form.cell.gates + first) * hidden
      for k in 0..<rows { result[k] = start[k] }
    }
    result.withUnsafeMutableBufferPointer {
      T.gemm(
        false, true, 1, rows, hidden, 1, h, hidden, recurrent + first * hidden * hidden, hidden, 1,
        $0.baseAddress!, rows)
    }
    return result
  }

  /// - Parameter projected: the step's input times W, of all gates.
  func advance(_ h: inout [T], _ c: inout [T], _ projected: [T]) {
    var x = projected
    if let bias { for k in x.indices { x[k] += bias[k] } }
    switch form.cell {
    case .rnn:
      let r = product(0, 1, h)
      for k in 0..<hidden { h[k] = activations[0](clipped(x[k] + r[k])) }
    case .gru: gru(&h, x)
    case .lstm: lstm(&h, &c, x)
    }
  }

  private func gru(_ h: inout [T], _ x: [T]) {
    let gates = product(0, 2, h)
    let z = (0..<hidden).map { activations[0](clipped(x[$0] + gates[$0])) }
    let reset = (hidden..<2 * hidden).map { activations[0](clipped(x[$0] + gates[$0])) }
    let candidate: [T]
    if form.linearBeforeReset {
      candidate = zip(reset, product(2, 1, h)).map { $0 * $1 }
    } else {
      candidate = product(2, 1, zip(reset, h).map { $0 * $1 })
    }
    for k in 0..<hidden {
      let next = activations[1](clipped(x[2 * hidden + k] + candidate[k]))
      h[k] = (1 - z[k]) * next + z[k] * h[k]
    }
  }

  private func lstm(_ h: inout [T], _ c: inout [T], _ x: [T]) {
    let r = product(0, 4, h)
    for k in 0..<hidden {
      func gate(_ position: Int) -> T { x[position * hidden + k] + r[position * hidden + k] }
      func peek(_ position: Int) -> T { peephole.map { $0[position * hidden + k] } ?? 0 }
      let i = activations[0](clipped(gate(0) + peek(0) * c[k]))
      let f = form.couplesForget ? 1 - i : activations[0](clipped(gate(2) + peek(2) * c[k]))
      c[k] = f * c[k] + i * activations[1](clipped(gate(3)))
      h[k] = activations[0](clipped(gate(1) + peek(1) * c[k])) * activations[2](c[k])
    }
  }
}
