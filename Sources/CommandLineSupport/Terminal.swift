import Foundation

/// Notes and progress on standard error.
public enum Terminal {
  /// Whether standard error is a terminal.
  public static let isInteractive = isatty(STDERR_FILENO) == 1

  /// A line on standard error; a progress line is cleared first.
  public static func note(_ text: String) {
    let clear = isInteractive ? "\r\u{1B}[K" : ""
    FileHandle.standardError.write(Data("\(clear)\(printable(text))\n".utf8))
  }

  /// Takes a progress line away, so that a line on standard output can stand in its place.
  public static func clearProgress() {
    if isInteractive { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
  }

  /// The text with control characters other than line ends written out: names in files may hold what would
  /// move the cursor or change colours.
  public static func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { $0.properties.generalCategory == .control && $0 != "\n" })
    else {
      return text
    }
    return text.unicodeScalars.map { scalar in
      scalar.properties.generalCategory == .control && scalar != "\n"
        ? "\\u{\(String(scalar.value, radix: 16))}" : String(scalar)
    }.joined()
  }

  /// Shows `done of total` with the time left, on a terminal only.
  public static func progress(_ label: String) -> (Int, Int) -> Void {
    guard isInteractive else { return { _, _ in } }
    let start = Date()
    return { done, total in
      if done == total {
        FileHandle.standardError.write(Data("\r\u{1B}[K".utf8))
        return
      }
      var text = "\r\u{1B}[K\(label) \(done)/\(total)"
      if done > 0 {
        let left = Date().timeIntervalSince(start) / Double(done) * Double(total - done)
        text += String(format: ", %@ left", duration(left))
      }
      FileHandle.standardError.write(Data(text.utf8))
    }
  }

  /// `3 s`, `2 min 5 s`, `1 h 4 min`.
  public static func duration(_ seconds: Double) -> String {
    let whole = Int(seconds.rounded())
    if whole < 60 { return "\(whole) s" }
    if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
    return "\(whole / 3600) h \(whole % 3600 / 60) min"
  }

  /// `1.25 GB`, in powers of ten.
  public static func bytes(_ count: Int) -> String {
    scaled(Double(count), ["B", "kB", "MB", "GB", "TB"])
  }

  /// `804 G`, in powers of ten.
  public static func count(_ number: Int) -> String { count(Double(number)) }

  public static func count(_ number: Double) -> String {
    scaled(number, ["", "k", "M", "G", "T", "P", "E", "Z", "Y"])
  }

  private static func scaled(_ value: Double, _ units: [String]) -> String {
    var value = value
    var unit = 0
    while value >= 1000, unit + 1 < units.count {
      value /= 1000
      unit += 1
    }
    let text =
      unit == 0
      ? String(Int(value)) : String(format: value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value)
    return units[unit].isEmpty ? text : "\(text) \(units[unit])"
  }
}
