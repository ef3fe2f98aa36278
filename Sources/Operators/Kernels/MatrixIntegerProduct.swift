import GraphIR

/// C = A · B for integers, wrapping on overflow: A is [m, k], B is [k, n], either perhaps stored transposed.
func integerProduct<T: FixedWidthInteger>(
  _ m: Int, _ n: Int, _ k: Int, _ a: MatrixOperand<T>, _ b: MatrixOperand<T>,
  _ c: UnsafeMutablePointer<T>
) {
  for row in 0..<m {
    let line = c + row * n
    line.update(repeating: 0, count: n)
    for inner in 0..<k {
      let factor = a.from(row: row, column: inner).pointee
      if b.isTransposed {
        for column in 0..<n { line[column] &+= factor &* b.base[column * b.stride + inner] }
      } else {
        let source = b.base + inner * b.stride
        for column in 0..<n { line[column] &+= factor &* source[column] }
      }
    }
  }
}
