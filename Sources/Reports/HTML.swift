/// A piece of HTML or SVG. Text goes in escaped.
struct HTML: ExpressibleByStringInterpolation {
  var source: String

  struct StringInterpolation: StringInterpolationProtocol {
    var source = ""

    init(literalCapacity: Int, interpolationCount: Int) { source.reserveCapacity(literalCapacity * 2) }
    mutating func appendLiteral(_ literal: String) { source += literal }
    mutating func appendInterpolation(_ html: HTML) { source += html.source }
    mutating func appendInterpolation(_ list: [HTML]) { for html in list { source += html.source } }
    mutating func appendInterpolation(_ text: String) { source += HTML.escaped(text) }
    mutating func appendInterpolation(_ number: Int) { source += "\(number)" }
    /// A coordinate.
    mutating func appendInterpolation(_ number: Double) {
      source += number.isFinite ? HTML.number(number, digits: 2).replacing("−", with: "-") : "0"
    }
  }

  init(stringInterpolation: StringInterpolation) { source = stringInterpolation.source }
  init(stringLiteral: String) { source = stringLiteral }

  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case _ where scalar.value < 32 && scalar != "\n" && scalar != "\t" || scalar.value == 127:
        result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// A number for people and for SVG; what is not finite is a dash.
  static func number(_ value: Double, digits: Int) -> String {
    guard value.isFinite else { return "–" }
    let scale = [1.0, 10, 100, 1e3, 1e4, 1e5, 1e6][digits]
    guard abs(value) < 1e12 else { return "\(value)" }
    let scaled = (abs(value) * scale).rounded()
    let whole = Int(scaled / scale)
    let sign = value < 0 && scaled > 0 ? "−" : ""
    guard digits > 0 else { return sign + "\(whole)" }
    let rest = "\(Int(scaled - Double(whole) * scale))"
    return sign + "\(whole)." + String(repeating: "0", count: digits - rest.count) + rest
  }
}
