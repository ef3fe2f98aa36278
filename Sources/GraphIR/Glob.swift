/// A shell-like pattern over names: `*` is any run of characters, `?` is one.
public struct Glob: Sendable, Equatable, CustomStringConvertible {
  public let description: String
  private let pattern: [UInt8]

  public init(_ pattern: String) {
    description = pattern
    self.pattern = Array(pattern.utf8)
  }

  /// Whether the whole name matches. Linear in the name's length times the number of stars at worst.
  public func matches(_ name: String) -> Bool {
    let text = Array(name.utf8)
    var p = 0
    var t = 0
    var star: (pattern: Int, text: Int)?
    while t < text.count {
      if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
        star = (p, t)
        p += 1
      } else if p < pattern.count, pattern[p] == UInt8(ascii: "?") || pattern[p] == text[t] {
        p += 1
        t += 1
      } else if let last = star {
        star = (last.pattern, last.text + 1)
        p = last.pattern + 1
        t = last.text + 1
      } else {
        return false
      }
    }
    while p < pattern.count, pattern[p] == UInt8(ascii: "*") { p += 1 }
    return p == pattern.count
  }
}
