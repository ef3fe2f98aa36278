import GraphIR

/// Z = X shifted by Y bits, broadcast. Signed numbers keep their sign to the right; a shift by a negative number or by
/// the whole width or more leaves the sign's fill alone: -1 for a negative X to the right, else 0.
struct BitShift: BitwiseOperator {
  static let schema = Schema(
    "BitShift", since: 28, inputs: ["X: T", "Y: T"], outputs: ["Z: T"], types: ["T": .integers],
    attributes: ["direction": .none])
  let left: Bool

  init(_ attributes: Attributes) throws {
    let direction = try attributes.required("direction", attributes.string("direction"))
    guard direction == "LEFT" || direction == "RIGHT" else {
      throw DataError("direction is '\(direction)', it must be 'LEFT' or 'RIGHT'")
    }
    left = direction == "LEFT"
  }

  @inline(__always) func apply<T: FixedWidthInteger>(_ value: T, _ count: T) -> T {
    guard count >= 0, count < T.bitWidth else { return !left && value < 0 ? ~0 : 0 }
    return left ? value &<< count : value &>> count
  }
}
