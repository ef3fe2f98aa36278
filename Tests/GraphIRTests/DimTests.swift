import GraphIR
import Testing

@Suite struct DimTests {
  @Test func arithmeticSaturates() {
    #expect(Dim.known(3) * 4 == 12)
    #expect(Dim.known(1) * "n" == "n")
    #expect(Dim.known(2) * "n" == .unknown)
    #expect(Dim.known(.max) + 1 == .known(.max))
    #expect(Dim.known(1 << 40) * .known(1 << 40) == .known(.max))
  }
}
