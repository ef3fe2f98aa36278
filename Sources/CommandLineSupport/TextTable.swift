/// Rows of text in aligned columns.
public struct TextTable {
  public var rows: [[String]] = []
  /// Columns aligned to the right.
  public var right: Set<Int>

  public init(_ header: [String], right: Set<Int> = []) {
    rows = [header]
    self.right = right
  }

  public var text: String {
    let rows = self.rows.map { row in
      row.map { Terminal.printable($0).replacing("\n", with: "\\n") }
    }
    let columns = rows.map(\.count).max() ?? 0
    let widths = (0..<columns).map { column in
      rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
    }
    return rows.map { row in
      var line = ""
      for (column, cell) in row.enumerated() {
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        line += right.contains(column) ? padding + cell : cell + padding
        if column + 1 < row.count { line += "  " }
      }
      while line.last == " " { line.removeLast() }
      return line
    }.joined(separator: "\n")
  }
}
