import Foundation
import ONNXWire

/// The terms of images and captions, kept in an SQLite file as they are computed and found by what they depend on: the
/// model, the image, the caption, the noise level and the noise.
///
/// Rows are only added, an item's terms all at once or not at all. Several runs, of other models and settings too, share
/// a file, one after the other or at the same time.
public final class ResultsFile: @unchecked Sendable {
  public let path: String
  let database: Database
  /// The connection is one thread's at a time.
  let lock = NSLock()

  /// Whether the file was opened for writing, is one of results, and is still wanted.
  private var settles = false
  private var ids: [String: [String: Int64]] = [:]

  deinit { if settles { database.settle() } }

  /// Tells that the file is not wanted any more: another one may have its name by now.
  func discard() { settles = false }

  /// Tells the file from others whatever it is called.
  var identity: [UInt64] {
    var status = stat()
    return stat(path, &status) == 0 ? [UInt64(status.st_dev), UInt64(status.st_ino)] : []
  }

  /// Opens a results file, or makes it.
  /// - Parameter isReadOnly: whether it has to be there and is left as it is.
  /// - Throws: `DataError` when the file is something else, of another version or damaged, or cannot be used.
  public init(path: String, isReadOnly: Bool = false) throws {
    self.path = path
    if !isReadOnly { try OutputCheck.file(path) }
    var status = stat()
    if stat(path, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFREG else { throw DataError("\(path): not a regular file") }
    } else if isReadOnly {
      throw DataError("\(path): \(String(cString: strerror(errno)))")
    }
    database = try Database(path: path, isReadOnly: isReadOnly)
    // Before anything is written: the file may be somebody else's.
    try ResultsSchema.prepare(database, isReadOnly: isReadOnly)
    if !isReadOnly {
      // A commit is the system's at once, so that a killed process loses nothing, and on the disk in time.
      try database.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
      settles = true
    }
  }

  /// The whole file as it is now.
  func bytes() throws -> [UInt8] {
    // SQLite's own copy in memory ends at 2 GiB.
    let copy = "\(path).copy-\(getpid())"
    defer { unlink(copy) }
    unlink(copy)
    try lock.withLock { try database.prepare("VACUUM INTO ?").run(.text(Database.plain(copy))) }
    return try MappedFile.withBytes(of: copy) { Array($0) }
  }

  /// What a file knows of a model.
  public struct Model: Sendable, Equatable {
    /// Names of the cross-attention layers; nil where no run has read them.
    public var layers: [String]?
    /// How many attention heads each layer has; nil where no run has read them.
    public var heads: [Int]?
  }

  /// Layers of a model, and attention heads of a layer, at most.
  private static let (layerLimit, headLimit) = (4096, 4096)

  /// What the file knows of a model, by the digests of its graph and weights; nil when it holds nothing of it.
  public func model(graph: String, weights: String) throws -> Model? {
    try lock.withLock {
      try database.prepare("SELECT layers, heads FROM models WHERE graph = ? AND weights = ?").first(
        .text(graph), .text(weights)
      ) { row in
        func list<T: Decodable>(_ column: Int32, of type: T.Type) throws -> [T]? {
          guard !row.isNull(column) else { return nil }
          guard let list = try? JSONDecoder().decode([T].self, from: Data(row.text(column).utf8)) else {
            throw DataError("\(path): a damaged results file")
          }
          return list
        }
        let model = Model(layers: try list(0, of: String.self), heads: try list(1, of: Int.self))
        guard (model.layers ?? []).count <= ResultsFile.layerLimit,
          model.heads.map({ heads in
            heads.count == model.layers?.count
              && heads.allSatisfy { (1...ResultsFile.headLimit).contains($0) }
          }) ?? true
        else { throw DataError("\(path): a damaged results file: layers and heads of a model") }
        return model
      }
    }
  }

  /// Tells the file of a model, or what it does not know of it yet.
  func note(_ model: Model, graph: String, weights: String) throws {
    func text(_ list: [some Encodable]?) throws -> Database.Value {
      try list.map { .text(String(decoding: try JSONEncoder().encode($0), as: UTF8.self)) } ?? .null
    }
    let (layers, heads) = (try text(model.layers), try text(model.heads))
    try lock.withLock {
      try database.transaction {
        try database.prepare("INSERT OR IGNORE INTO models (graph, weights) VALUES (?, ?)").run(
          .text(graph), .text(weights))
        try database.prepare(
          "UPDATE models SET layers = coalesce(layers, ?), heads = coalesce(heads, ?) WHERE graph = ? AND weights = ?"
        ).run(layers, heads, .text(graph), .text(weights))
      }
    }
  }

  /// The terms of one model at some noise levels.
  /// - Parameter levels: timesteps with the digests of their noise.
  func terms(graph: String, weights: String, levels: [NoiseLevel]) throws -> StoredTerms {
    try StoredTerms(self, graph: graph, weights: weights, levels: levels)
  }

  /// Gives the row of a table with unique digests or names, which is made where it is missing.
  fileprivate func id(_ table: String, _ key: String, _ insert: () throws -> Void) throws -> Int64 {
    if let id = ids[table]?[key] { return id }
    try insert()
    let column = table == "quantities" ? "name" : "digest"
    guard
      let id = try database.prepare("SELECT id FROM \(table) WHERE \(column) = ?").first(
        .text(key), read: { $0.integer(0) })
    else { throw DataError("\(path): a damaged results file") }
    ids[table, default: [:]][key] = id
    return id
  }

  /// Rows of a transaction that was taken back are not there.
  fileprivate func forget() { ids = [:] }
}

/// A noise level: the timestep and the digest of the noise that is added there.
struct NoiseLevel: Hashable {
  let timestep: Int
  let noise: String
}

/// What a results file holds of one model at a run's noise levels.
final class StoredTerms: TermStore {
  private let file: ResultsFile
  private let graph, weights: String
  private let levels: [NoiseLevel]
  private let read, insert: Statement
  /// Steps of the run by the rows of their levels.
  private var steps: [Int64: [Int]] = [:]
  private var quantities: [Int64: Quantity] = [:]

  fileprivate init(_ file: ResultsFile, graph: String, weights: String, levels: [NoiseLevel]) throws {
    self.file = file
    self.graph = graph
    self.weights = weights
    self.levels = levels
    (read, insert) = try file.lock.withLock {
      (
        try file.database.prepare(
          """
          SELECT level, quantity, value FROM terms
          WHERE model = (SELECT id FROM models WHERE graph = ?1 AND weights = ?2)
          AND image = (SELECT id FROM images WHERE digest = ?3) AND caption = (SELECT id FROM captions WHERE digest = ?4)
          """),
        try file.database.prepare(
          """
          INSERT INTO terms (model, image, caption, level, quantity, value)
          VALUES ((SELECT id FROM models WHERE graph = ?1 AND weights = ?2), ?3, ?4, ?5, ?6, ?7)
          ON CONFLICT (model, image, caption, level, quantity) DO NOTHING
          """)
      )
    }
  }

  func terms(image: String, caption: String) throws -> PairTerms {
    try file.lock.withLock {
      var result: PairTerms = [:]
      try read.forEach(.text(graph), .text(weights), .text(image), .text(caption)) { row in
        guard let quantity = try quantity(row.integer(1)) else { return }
        let steps = try steps(row.integer(0))
        guard !steps.isEmpty else { return }
        let bytes = row.bytes(2)
        guard bytes.count % 8 == 0 else { throw DataError("\(file.path): a damaged results file") }
        let values = (0..<bytes.count / 8).map {
          Double(
            bitPattern: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)))
        }
        for step in steps { result[TermPlace(step: step, quantity: quantity)] = values }
      }
      return result
    }
  }

  /// Which steps of the run are at a level; none for one of another run.
  private func steps(_ level: Int64) throws -> [Int] {
    if let known = steps[level] { return known }
    let found = try file.database.prepare("SELECT timestep, noise FROM levels WHERE id = ?").first(
      .integer(level)
    ) {
      NoiseLevel(timestep: Int($0.integer(0)), noise: $0.text(1))
    }
    steps[level] = levels.indices.filter { levels[$0] == found }
    return steps[level]!
  }

  /// Nil for what a later version keeps.
  private func quantity(_ id: Int64) throws -> Quantity? {
    if let known = quantities[id] { return known }
    let name = try file.database.prepare("SELECT name FROM quantities WHERE id = ?").first(.integer(id)) {
      $0.text(0)
    }
    guard let quantity = name.flatMap({ Quantity(name: $0) }) else { return nil }
    quantities[id] = quantity
    return quantity
  }

  func append(_ records: [TermRecord]) throws {
    let database = file.database
    try file.lock.withLock {
      do {
        try database.transaction {
          for record in records {
            let image = try file.id("images", record.image) {
              try database.prepare("INSERT OR IGNORE INTO images (digest) VALUES (?)").run(
                .text(record.image))
            }
            let caption = try file.id("captions", record.caption) {
              try database.prepare("INSERT OR IGNORE INTO captions (digest, text) VALUES (?, ?)").run(
                .text(record.caption), .text(record.text))
            }
            let quantity = try file.id("quantities", record.place.quantity.name) {
              try database.prepare("INSERT OR IGNORE INTO quantities (name) VALUES (?)").run(
                .text(record.place.quantity.name))
            }
            let bytes = record.values.flatMap { value in
              withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) }
            }
            try insert.run(
              .text(graph), .text(weights), .integer(image), .integer(caption),
              .integer(try level(record.place.step)), .integer(quantity), .blob(bytes))
          }
        }
      } catch {
        file.forget()
        rows = [:]
        throw error
      }
    }
  }

  /// Rows of the run's levels.
  private var rows: [Int: Int64] = [:]

  private func level(_ step: Int) throws -> Int64 {
    if let row = rows[step] { return row }
    let level = levels[step]
    let database = file.database
    try database.prepare("INSERT OR IGNORE INTO levels (timestep, noise) VALUES (?, ?)").run(
      .integer(Int64(level.timestep)), .text(level.noise))
    rows[step] = try database.prepare("SELECT id FROM levels WHERE timestep = ? AND noise = ?").first(
      .integer(Int64(level.timestep)), .text(level.noise)
    ) { $0.integer(0) }
    guard let row = rows[step] else { throw DataError("\(file.path): a damaged results file") }
    return row
  }
}
