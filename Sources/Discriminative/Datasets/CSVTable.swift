import Foundation
import SwiftCSV

/// A CSV file with a header (RFC 4180): its rows with the lines they start on.
struct CSVTable {
  let path: String
  let header: [String]
  /// Fields, with the line that they begin on.
  private let records: [(line: Int, fields: [String])]

  /// - Throws: `DataError` that names the file, and the line of what is no CSV or the columns that it lacks.
  init(_ folder: DatasetFolder, _ file: String, columns: [String]) throws {
    path = folder.path(file)
    let path = path
    var text = try folder.withBytes(file) { bytes in
      guard let text = String(validating: bytes, as: UTF8.self) else { throw DataError("\(path): not UTF-8") }
      return text
    }
    // A last line without an end would lose its last field if that is empty.
    if text.last?.isNewline == false { text += "\n" }
    var records: [(line: Int, fields: [String])] = []
    var line = 1
    do {
      let csv = try CSV<Enumerated>(string: text, delimiter: .comma, loadColumns: false, rowLimit: 0)
      header = csv.header
      // Not its rows, which fill missing fields up.
      try csv.enumerateAsArray(startAt: 0, rowLimit: nil) { fields in
        // An empty line is no record.
        if line > 1, fields != [""] { records.append((line, fields)) }
        line += 1 + fields.reduce(0) { $0 + $1.count(where: \.isNewline) }
      }
      self.records = records
    } catch let error as CSVParseError {
      let reason =
        switch error {
        case .generic(let message), .quotation(let message): message
        }
      throw DataError("\(path):\(line): malformed CSV: \(reason)")
    }
    let missing = columns.filter { !header.contains($0) }
    guard missing.isEmpty else {
      throw DataError(
        "\(path): has no column \(missing.joined(separator: ", ")); its columns are \(header.joined(separator: ", "))"
      )
    }
  }

  /// Makes something of every row.
  /// - Parameter body: gets a row's fields by column, and its place.
  func rows<T>(_ rows: DatasetRows, _ body: (Row) throws -> T) throws -> [T] {
    try records.compactMap { line, fields in
      let place = "\(path):\(line)"
      return try rows.take(place) {
        guard fields.count == header.count else {
          throw DataError("\(fields.count) fields, the header has \(header.count)")
        }
        return try body(Row(place: place, fields: Dictionary(zip(header, fields)) { first, _ in first }))
      }
    }
  }

  struct Row {
    let place: String
    let fields: [String: String]

    /// - Throws: `DataError` when the field is empty.
    func text(_ column: String) throws -> String {
      guard let text = fields[column], !text.isEmpty else { throw DataError("\(column): empty") }
      return text
    }

    /// - Throws: `DataError` when the field is no number of an image.
    func number(_ column: String) throws -> Int {
      let text = try text(column)
      // pandas writes a column with gaps as floats.
      guard let number = Int(text.hasSuffix(".0") ? String(text.dropLast(2)) : text), number >= 0 else {
        throw DataError("\(column): '\(text)' is not a number of an image")
      }
      return number
    }
  }
}
