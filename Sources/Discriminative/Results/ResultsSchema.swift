/// The tables of a results file; `Specs/results.md` explains them.
enum ResultsSchema {
  /// "dsd1" in ASCII: tells the file from other SQLite files.
  static let applicationID: Int64 = 0x6473_6431
  static let version: Int64 = 1

  static let tables = """
    CREATE TABLE models (
      id INTEGER PRIMARY KEY, graph TEXT NOT NULL, weights TEXT NOT NULL, layers TEXT, heads TEXT,
      UNIQUE (graph, weights));
    CREATE TABLE images (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE);
    CREATE TABLE captions (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, text TEXT NOT NULL);
    CREATE TABLE levels (
      id INTEGER PRIMARY KEY, timestep INTEGER NOT NULL, noise TEXT NOT NULL, UNIQUE (timestep, noise));
    CREATE TABLE quantities (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE terms (
      model INTEGER NOT NULL REFERENCES models, image INTEGER NOT NULL REFERENCES images,
      caption INTEGER NOT NULL REFERENCES captions, level INTEGER NOT NULL REFERENCES levels,
      quantity INTEGER NOT NULL REFERENCES quantities, value BLOB NOT NULL,
      UNIQUE (model, image, caption, level, quantity));
    CREATE TABLE runs (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, about TEXT NOT NULL);
    CREATE TABLE items (
      run INTEGER NOT NULL REFERENCES runs, place INTEGER NOT NULL, item TEXT NOT NULL, images TEXT NOT NULL,
      captions TEXT NOT NULL, PRIMARY KEY (run, place)) WITHOUT ROWID;
    """

  private static let names = [
    "models", "images", "captions", "levels", "quantities", "terms", "runs", "items",
  ]

  /// Makes the tables of a new file, or checks that a file has them.
  /// - Throws: `DataError` that names the file when it is something else or of another version.
  static func prepare(_ database: Database, isReadOnly: Bool) throws {
    if try isOurs(database) { return }
    let foreign = DataError("\(database.path): not a results file of dsd eval")
    func isEmpty() throws -> Bool {
      try database.integer("SELECT count(*) FROM sqlite_schema") == 0
        && database.integer("PRAGMA application_id") == 0
    }
    guard !isReadOnly else { throw foreign }
    // Before a transaction, which would wait for whoever is at work on somebody else's file.
    guard try isEmpty() || isOurs(database) else { throw foreign }
    try database.transaction {
      // Another process may have been faster.
      if try isOurs(database) { return }
      guard try isEmpty() else { throw foreign }
      try database.run(tables)
      try database.run("PRAGMA application_id = \(applicationID); PRAGMA user_version = \(version)")
    }
  }

  /// Whether a file is a results file, with the tables that it has to have and nothing that acts by itself.
  private static func isOurs(_ database: Database) throws -> Bool {
    guard try database.integer("PRAGMA application_id") == applicationID else { return false }
    let found = try database.integer("PRAGMA user_version") ?? 0
    guard found == version else {
      throw DataError("\(database.path): version \(found) of results is not known")
    }
    let list = names.map { "'\($0)'" }.joined(separator: ", ")
    let tables = try database.integer(
      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name IN (\(list))")
    let others = try database.integer(
      "SELECT count(*) FROM sqlite_schema WHERE type IN ('view', 'trigger') OR type = 'table' AND rootpage = 0"
    )
    guard tables == Int64(names.count), others == 0 else {
      throw DataError(
        "\(database.path): a damaged results file: its tables are not those of version \(version)")
    }
    return true
  }
}
