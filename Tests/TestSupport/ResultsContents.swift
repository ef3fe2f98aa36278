import CSQLite
import Foundation

/// What a results file holds, read by SQLite alone.
public enum ResultsContents {
  public struct Row: Sendable {
    /// The columns as SQLite gives them as text.
    public var texts: [String]
    /// The last column's float64 numbers.
    public var numbers: [Double]
  }

  public struct Failure: Error { public let text: String }

  public static func rows(_ path: String, _ sql: String) throws -> [Row] {
    var database: OpaquePointer?
    defer { sqlite3_close_v2(database) }
    var statement: OpaquePointer?
    guard sqlite3_open_v2(path, &database, SQLITE_OPEN_READONLY, nil) == SQLITE_OK,
      sqlite3_prepare_v2(database, sql, -1, &statement, nil) == SQLITE_OK
    else { throw Failure(text: String(cString: sqlite3_errmsg(database))) }
    defer { sqlite3_finalize(statement) }
    var rows: [Row] = []
    while sqlite3_step(statement) == SQLITE_ROW {
      let columns = sqlite3_column_count(statement)
      var row = Row(texts: [], numbers: [])
      for column in 0..<columns {
        if sqlite3_column_type(statement, column) == SQLITE_BLOB {
          let bytes = UnsafeRawBufferPointer(
            start: sqlite3_column_blob(statement, column), count: Int(sqlite3_column_bytes(statement, column))
          )
          row.numbers = (0..<bytes.count / 8).map {
            bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Double.self)
          }
          row.texts.append(bytes.map { String($0, radix: 16) }.joined(separator: " "))
        } else {
          row.texts.append(sqlite3_column_text(statement, column).map { String(cString: $0) } ?? "")
        }
      }
      rows.append(row)
    }
    return rows
  }

  /// All terms with what they are found by, sorted.
  public static func terms(_ path: String) throws -> [String] {
    try rows(
      path,
      """
      SELECT m.graph, m.weights, i.digest, c.digest, c.text, l.timestep, l.noise, q.name, t.value FROM terms t
      JOIN models m ON m.id = t.model JOIN images i ON i.id = t.image JOIN captions c ON c.id = t.caption
      JOIN levels l ON l.id = t.level JOIN quantities q ON q.id = t.quantity
      """
    ).map { $0.texts.joined(separator: "|") }.sorted()
  }

  /// Terms, models, runs and items, sorted; the numbers of rows play no part.
  public static func all(_ path: String) throws -> [String] {
    try terms(path)
      + [
        "SELECT graph, weights, layers, heads FROM models ORDER BY graph, weights",
        "SELECT digest, about FROM runs ORDER BY digest",
        "SELECT r.digest, place, item, images, captions FROM items JOIN runs r ON r.id = run ORDER BY r.digest, place",
      ].flatMap { try rows(path, $0).map { $0.texts.joined(separator: "|") } }
  }
}
