import Testing

@testable import Discriminative

@Suite struct PlaneTests {
  @Test func linear() {
    let row = Plane(width: 2, height: 1, values: [0, 4]).resized(width: 4, height: 1, .linear)
    #expect(row.values == [0, 1, 3, 4])
    // An odd factor, along the other axis.
    let column = Plane(width: 1, height: 2, values: [0, 6]).resized(width: 1, height: 6, .linear)
    let wanted = (0..<6).map { (place: Int) -> Double in
      let value: Double = (Double(place) + 0.5) / 3 - 0.5
      return min(max(value, 0), 1) * 6
    }
    #expect(zip(column.values, wanted).allSatisfy { abs($0 - $1) < 1e-12 })
  }

  /// A constant stays one, and in the middle of a ramp the cubic filter gives the ramp.
  @Test func cubic() {
    let flat = Plane(width: 3, height: 5, values: Array(repeating: 2.5, count: 15))
      .resized(width: 17, height: 8, .cubic)
    #expect(flat.values.allSatisfy { abs($0 - 2.5) < 1e-12 })
    let ramp = Plane(width: 8, height: 1, values: (0..<8).map(Double.init)).resized(
      width: 24, height: 1, .cubic)
    for x in 6..<18 { #expect(abs(ramp.values[x] - ((Double(x) + 0.5) / 3 - 0.5)) < 1e-12) }
  }

  /// Coarser grids average over what they cover.
  @Test func coarser() {
    let fine = Plane(width: 64, height: 64, values: (0..<4096).map { Double($0 % 2) })
    let coarse = fine.resized(width: 4, height: 4, .linear)
    #expect(coarse.values.allSatisfy { abs($0 - 0.5) < 0.02 })
    #expect(fine.resized(width: 64, height: 64, .cubic) == fine)
  }
}
