import GraphIR
import TestSupport
import Testing

@Suite struct EinsumTests {
  private func run(_ equation: String, _ inputs: [Tensor], threads: Int = 1) throws -> Tensor {
    try OperatorHarness.runOperator(
      "Einsum", inputs, attributes: ["equation": .string(equation)], threads: threads)[0]
  }

  /// A sum over every assignment of numbers to letters; `result` and terms are letters alone.
  private func plain(_ terms: [String], _ result: String, _ inputs: [Tensor]) -> [Double] {
    let letters = Array(Set(terms.joined())).sorted()
    var extents: [Character: Int] = [:]
    for (term, input) in zip(terms, inputs) {
      for (letter, extent) in zip(term, input.shape) { extents[letter] = max(extents[letter] ?? 1, extent) }
    }
    func position(_ term: String, _ shape: [Int], _ index: [Character: Int]) -> Int {
      zip(term, shape).reduce(0) { $0 * $1.1 + ($1.1 == 1 ? 0 : index[$1.0]!) }
    }
    let shape = result.map { extents[$0]! }
    var sums = [Double](repeating: 0, count: Shape.count(shape))
    for number in 0..<letters.reduce(1, { $0 * extents[$1]! }) {
      var rest = number
      var index: [Character: Int] = [:]
      for letter in letters {
        index[letter] = rest % extents[letter]!
        rest /= extents[letter]!
      }
      sums[position(result, shape, index)] += zip(terms, inputs).reduce(1.0) {
        $0 * Double($1.1.array(of: Float.self)[position($1.0, $1.1.shape, index)])
      }
    }
    return sums
  }

  @Test(arguments: [
    ("ij->ji", "ij->ji"), ("ij->", "ij->"), ("ii->i", "ii->i"), ("ii", "ii->"), ("i,i", "i,i->"),
    ("bij, bjk -> bik", "bij,bjk->bik"), ("bik,bjk->bij", "bik,bjk->bij"), ("ij,kl", "ij,kl->ijkl"),
    ("ba", "ba->ab"), ("ik,jkl,il->ij", "ik,jkl,il->ij"), ("bhid,bhjd->bhij", "bhid,bhjd->bhij"),
    ("ij,jk,kl,lm->im", "ij,jk,kl,lm->im"), ("iij,jk->ki", "iij,jk->ki"), ("i,ij,j->", "i,ij,j->"),
    ("abc,cd,abc->dba", "abc,cd,abc->dba"), ("aB,Bc", "aB,Bc->ac"), ("ij,ik->i", "ij,ik->i"),
  ]) func letters(equation: String, explicit: String) throws {
    let sides = explicit.split(separator: ">", omittingEmptySubsequences: false).map(String.init)
    let terms = sides[0].dropLast().split(separator: ",").map(String.init)
    let sizes: [Character: Int] = [
      "a": 2, "b": 3, "c": 4, "d": 5, "h": 2, "i": 4, "j": 3, "k": 5, "l": 2, "m": 3, "B": 3,
    ]
    var random = Seeded(11)
    let inputs = terms.map { random.tensor($0.map { sizes[$0]! }) }
    let expected = plain(terms, sides[1], inputs)
    let y = try run(equation, inputs)
    #expect(y.shape == sides[1].map { sizes[$0]! })
    for (a, b) in zip(y.array(of: Float.self), expected) { #expect(abs(Double(a) - b) < 1e-5) }
    #expect(y.isIdentical(to: try run(equation, inputs, threads: 2)))
    let whole = inputs.map { Tensor($0.array(of: Float.self).map { ($0 * 8).rounded() }, shape: $0.shape) }
    let exact = plain(terms, sides[1], whole)
    for dtype in [DType.int8, .int32, .int64, .float64] {
      let y = try run(equation, whole.map { $0.converted(to: dtype) })
      let wrapped = Tensor(exact, shape: [exact.count]).converted(to: .int64).converted(to: dtype)
      #expect(y.dtype == dtype && Comparison.largestDifference(y, wrapped) == 0, "\(dtype)")
    }
  }

  @Test func ellipsisBroadcasts() throws {
    var random = Seeded(2)
    let (a, b) = (random.tensor([2, 1, 3, 4]), random.tensor([5, 4, 3]))
    let y = try run("...ij,...jk->...ik", [a, b])
    #expect(y.shape == [2, 5, 3, 3])
    let product = try OperatorHarness.runOperator("MatMul", [a, b])[0]
    #expect(Comparison.largestDifference(y, product) < 1e-6)
    #expect(try run("...ij,...jk", [a, b]).isIdentical(to: y))
    #expect(try run("i...->...", [a]).shape == [1, 3, 4])
    #expect(try run("...i->i...", [a]).shape == [4, 2, 1, 3])
    #expect(
      try run("ij,jk->ik", [Tensor(.float32, [2, 0]), Tensor(.float32, [0, 2])]).array() == [0, 0, 0, 0]
        as [Float])
    #expect(try run("ij,jk->ik", [Tensor(.float32, [0, 2]), Tensor(.float32, [2, 3])]).shape == [0, 3])
  }

  @Test(arguments: [
    "ij->ik", "ij->ii", "i$->i", "ij-ji", "i->i", "ij,jk->ik", "i..j->ij", "......ij->ij", "ij->...ij",
    "ii->i",
  ]) func refuses(equation: String) throws {
    #expect(throws: DataError.self) { try run(equation, [Tensor(.float32, [2, 3])]) }
  }
}
