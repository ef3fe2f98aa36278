import GraphIR

/// An Einstein summation as text: the axes of every operand and of the result, named by letters.
struct EinsumEquation: Sendable {
  /// The axes of an operand or of the result: letters, with the axes of `...` between them.
  struct Term: Sendable {
    var before: [UInt8] = []
    var after: [UInt8] = []
    var hasEllipsis = false

    /// The labels of all axes: letters as they are, the axes of `...` as negative numbers, the last one -1.
    func labels(ellipsis: Int) -> [Int] {
      before.map { Int($0) } + (hasEllipsis ? Array(-ellipsis..<0) : []) + after.map { Int($0) }
    }
  }

  let operands: [Term]
  let result: Term

  /// - Throws: `DataError` that tells where the text is not an equation.
  init(_ text: String) throws {
    let compact = text.utf8.filter { $0 != UInt8(ascii: " ") }
    let sides = try EinsumEquation.sides(compact, text)
    operands = try sides.left.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
      .map { try EinsumEquation.term($0, text) }
    let letters = operands.flatMap { $0.before + $0.after }
    if let right = sides.right {
      result = try EinsumEquation.term(right, text)
      let named = result.before + result.after
      guard Set(named).count == named.count else {
        throw DataError("equation '\(text)' names an output axis twice")
      }
      for letter in named where !letters.contains(letter) {
        throw DataError(
          "equation '\(text)': output axis '\(Character(UnicodeScalar(letter)))' is in no operand")
      }
      if result.hasEllipsis, !operands.contains(where: \.hasEllipsis) {
        throw DataError("equation '\(text)' has '...' in its output alone")
      }
    } else {
      let counts = Dictionary(letters.map { ($0, 1) }, uniquingKeysWith: +)
      result = Term(
        after: counts.filter { $0.value == 1 }.keys.sorted(),
        hasEllipsis: operands.contains(where: \.hasEllipsis))
    }
  }

  private static func sides(_ text: [UInt8], _ shown: String) throws -> (
    left: ArraySlice<UInt8>, right: ArraySlice<UInt8>?
  ) {
    guard let arrow = text.firstIndex(of: UInt8(ascii: "-")) else { return (text[...], nil) }
    guard arrow + 1 < text.count, text[arrow + 1] == UInt8(ascii: ">") else {
      throw DataError("equation '\(shown)' has a '-' that is no '->'")
    }
    return (text[..<arrow], text[(arrow + 2)...])
  }

  private static func term(_ text: ArraySlice<UInt8>, _ shown: String) throws -> Term {
    var term = Term()
    var rest = text
    while let first = rest.first {
      if rest.starts(with: "...".utf8), !term.hasEllipsis {
        term.hasEllipsis = true
        rest = rest.dropFirst(3)
        continue
      }
      guard UInt8(ascii: "a")...UInt8(ascii: "z") ~= first || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= first
      else { throw DataError("equation '\(shown)' has '\(Character(UnicodeScalar(first)))' out of place") }
      if term.hasEllipsis { term.after.append(first) } else { term.before.append(first) }
      rest = rest.dropFirst()
    }
    return term
  }

  /// How many axes `...` stands for; each operand's axes beside it, broadcast from the last.
  /// - Throws: `DataError` when a rank does not fit.
  func ellipsis(_ ranks: [Int]) throws -> [Int] {
    guard ranks.count == operands.count else {
      throw DataError("the equation has \(operands.count) operands, the node \(ranks.count)")
    }
    return try zip(operands, ranks).enumerated().map { position, pair in
      let named = pair.0.before.count + pair.0.after.count
      guard pair.0.hasEllipsis ? pair.1 >= named : pair.1 == named else {
        throw DataError("operand \(position) has rank \(pair.1), the equation names \(named) axes")
      }
      return pair.1 - named
    }
  }

  /// The extents of all axes by label, an extent of 1 giving way to others.
  /// - Throws: `DataError` that names an axis of two extents.
  func extents(_ shapes: [[Dim]], _ ellipsis: [Int]) throws -> [Int: Dim] {
    var extents: [Int: Dim] = [:]
    for (position, shape) in shapes.enumerated() {
      for (label, dim) in zip(operands[position].labels(ellipsis: ellipsis[position]), shape) {
        guard let other = extents[label] else {
          extents[label] = dim
          continue
        }
        guard let joined = Shape.broadcast([other], [dim]) else {
          let name = label < 0 ? "of '...'" : "'\(Character(UnicodeScalar(UInt8(label))))'"
          throw DataError("axis \(name) has extents \(other) and \(dim)")
        }
        extents[label] = joined[0]
      }
    }
    return extents
  }
}
