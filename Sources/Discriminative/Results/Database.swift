import CSQLite
import Foundation

/// A connection to an SQLite file, used by one thread at a time.
final class Database {
  let path: String
  fileprivate let handle: OpaquePointer

  /// What a statement takes and a column holds.
  enum Value {
    case integer(Int64)
    case text(String)
    case blob([UInt8])
    case null
  }

  /// Milliseconds to wait for another process that writes.
  private static let patience: Int32 = 60_000

  /// - Parameter isReadOnly: the file has to be there, and is left as it is.
  /// - Throws: `DataError` that names the file.
  init(path: String, isReadOnly: Bool = false) throws {
    self.path = path
    var opened: OpaquePointer?
    let flags =
      (isReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) | SQLITE_OPEN_NOMUTEX
    let code = sqlite3_open_v2(Database.plain(path), &opened, flags, nil)
    guard code == SQLITE_OK, let opened else {
      let error = Database.error(path, code, opened)
      sqlite3_close_v2(opened)
      throw error
    }
    handle = opened
    sqlite3_busy_timeout(handle, Database.patience)
    // The file may come from anywhere.
    for pragma in ["trusted_schema = OFF", "cell_size_check = ON"] { try run("PRAGMA \(pragma)") }
  }

  deinit { sqlite3_close_v2(handle) }

  /// The path so that SQLite takes it for nothing but a file.
  static func plain(_ path: String) -> String { path.hasPrefix("/") ? path : "./\(path)" }

  /// Leaves one plain file behind, which can be read without writing beside it; where others have it open, the last of
  /// them does.
  func settle() {
    sqlite3_busy_timeout(handle, 0)
    sqlite3_exec(handle, "PRAGMA journal_mode = DELETE", nil, nil, nil)
  }

  /// Runs statements that give no rows.
  func run(_ sql: String) throws { try check(sqlite3_exec(handle, sql, nil, nil, nil)) }

  /// Runs the body in a transaction: all of what it writes is there afterwards, or nothing.
  func transaction<T>(_ body: () throws -> T) throws -> T {
    try run("BEGIN IMMEDIATE")
    do {
      let result = try body()
      try run("COMMIT")
      return result
    } catch {
      try? run("ROLLBACK")
      throw error
    }
  }

  func prepare(_ sql: String) throws -> Statement { try Statement(self, sql) }

  /// The first column of the first row.
  func integer(_ sql: String) throws -> Int64? { try prepare(sql).first { $0.integer(0) } }

  /// How many rows the last statement has changed.
  var changes: Int { Int(sqlite3_changes(handle)) }
  var lastRow: Int64 { sqlite3_last_insert_rowid(handle) }

  fileprivate func check(_ code: Int32) throws {
    guard code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE else {
      throw Database.error(path, code, handle)
    }
  }

  private static func error(_ path: String, _ code: Int32, _ handle: OpaquePointer?) -> DataError {
    let code = code & 0xFF
    let reason =
      switch code {
      case SQLITE_NOTADB: "not a results file of dsd eval"
      case SQLITE_BUSY, SQLITE_LOCKED: "another process has it"
      case SQLITE_FULL: "cannot be written: the disk is full"
      case SQLITE_READONLY: "cannot be written: it is read-only"
      case SQLITE_CORRUPT: "a damaged results file"
      case SQLITE_CANTOPEN: "cannot be opened"
      default: "cannot be used: " + (handle.map { String(cString: sqlite3_errmsg($0)) } ?? "no memory")
      }
    return DataError("\(path): \(reason)")
  }
}

/// A prepared statement; columns are those of the row that it stands at.
final class Statement {
  private let database: Database
  private let handle: OpaquePointer

  fileprivate init(_ database: Database, _ sql: String) throws {
    self.database = database
    var prepared: OpaquePointer?
    try database.check(
      sqlite3_prepare_v3(database.handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil))
    guard let prepared else { throw DataError("\(database.path): an empty statement") }
    handle = prepared
  }

  deinit { sqlite3_finalize(handle) }

  func run(_ values: Database.Value...) throws { try step(values) { _ in false } }

  /// The first row, or nil.
  func first<T>(_ values: Database.Value..., read: (Statement) throws -> T) throws -> T? {
    var result: T?
    try step(values) {
      result = try read($0)
      return false
    }
    return result
  }

  func forEach(_ values: Database.Value..., body: (Statement) throws -> Void) throws {
    try step(values) {
      try body($0)
      return true
    }
  }

  private func step(_ values: [Database.Value], _ row: (Statement) throws -> Bool) throws {
    defer {
      sqlite3_reset(handle)
      sqlite3_clear_bindings(handle)
    }
    for (place, value) in values.enumerated() { try bind(Int32(place + 1), value) }
    while true {
      let code = sqlite3_step(handle)
      try database.check(code)
      guard code == SQLITE_ROW, try row(self) else { return }
    }
  }

  private func bind(_ place: Int32, _ value: Database.Value) throws {
    // SQLITE_TRANSIENT: the bytes are copied.
    let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    switch value {
    case .integer(let number): try database.check(sqlite3_bind_int64(handle, place, number))
    case .text(let text):
      try database.check(
        sqlite3_bind_text64(handle, place, text, UInt64(text.utf8.count), transient, UInt8(SQLITE_UTF8)))
    case .blob(let bytes):
      try database.check(sqlite3_bind_blob64(handle, place, bytes, UInt64(bytes.count), transient))
    case .null: try database.check(sqlite3_bind_null(handle, place))
    }
  }

  func integer(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }
  func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }

  func text(_ column: Int32) -> String {
    sqlite3_column_text(handle, column).map { String(cString: $0) } ?? ""
  }

  /// The bytes of a column, which are gone at the next row.
  func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
    let start = sqlite3_column_blob(handle, column)
    return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column)))
  }
}
