extension ResultsFile {
  /// What a merge has done.
  public struct Merge: Sendable, Equatable {
    /// Terms that were added.
    public var added = 0
    /// Terms that were there already with other values, which stay: last bits of another machine.
    public var different = 0
  }

  /// Adds all that another results file holds.
  /// - Throws: `DataError` when one of the files cannot be used; this one is then as it was.
  public func merge(_ other: String) throws -> Merge {
    do { return try take(other) } catch let error as DataError {
      // What SQLite says of both files names the first.
      guard error.message.hasPrefix(path), !error.message.hasPrefix(other) else { throw error }
      throw DataError("\(other): cannot be merged: \(error.message)")
    }
  }

  private func take(_ other: String) throws -> Merge {
    // Opened by itself first: to attach a file that is not there would make one.
    do {
      let file = try ResultsFile(path: other, isReadOnly: true)
      guard file.identity != identity else { throw DataError("\(other): is \(path) itself") }
    }
    return try lock.withLock {
      try database.prepare("ATTACH DATABASE ? AS other").run(.text(Database.plain(other)))
      defer { try? database.run("DETACH DATABASE other") }
      return try database.transaction {
        try database.run(
          """
          INSERT OR IGNORE INTO main.models (graph, weights) SELECT graph, weights FROM other.models ORDER BY id;
          UPDATE main.models SET
            layers = coalesce(layers, (SELECT o.layers FROM other.models o WHERE o.graph = models.graph AND o.weights = models.weights)),
            heads = coalesce(heads, (SELECT o.heads FROM other.models o WHERE o.graph = models.graph AND o.weights = models.weights));
          INSERT OR IGNORE INTO main.images (digest) SELECT digest FROM other.images ORDER BY id;
          INSERT OR IGNORE INTO main.captions (digest, text) SELECT digest, text FROM other.captions ORDER BY id;
          INSERT OR IGNORE INTO main.levels (timestep, noise) SELECT timestep, noise FROM other.levels ORDER BY id;
          INSERT OR IGNORE INTO main.quantities (name) SELECT name FROM other.quantities ORDER BY id;
          """)
        let rows = """
          SELECT m.id AS model, i.id AS image, c.id AS caption, l.id AS level, q.id AS quantity, t.value AS value
          FROM other.terms t
          JOIN other.models om ON om.id = t.model
          JOIN main.models m ON m.graph = om.graph AND m.weights = om.weights
          JOIN other.images oi ON oi.id = t.image JOIN main.images i ON i.digest = oi.digest
          JOIN other.captions oc ON oc.id = t.caption JOIN main.captions c ON c.digest = oc.digest
          JOIN other.levels ol ON ol.id = t.level
          JOIN main.levels l ON l.timestep = ol.timestep AND l.noise = ol.noise
          JOIN other.quantities oq ON oq.id = t.quantity JOIN main.quantities q ON q.name = oq.name
          """
        var result = Merge()
        result.different = Int(
          try database.integer(
            """
            SELECT count(*) FROM (\(rows)) n JOIN main.terms k ON k.model = n.model AND k.image = n.image
            AND k.caption = n.caption AND k.level = n.level AND k.quantity = n.quantity WHERE k.value <> n.value
            """) ?? 0)
        try database.run(
          """
          INSERT INTO main.terms (model, image, caption, level, quantity, value) \(rows) WHERE true ORDER BY t.rowid
          ON CONFLICT (model, image, caption, level, quantity) DO NOTHING
          """)
        result.added = database.changes
        try database.run(
          """
          INSERT OR IGNORE INTO main.runs (digest, about) SELECT digest, about FROM other.runs ORDER BY id;
          INSERT OR IGNORE INTO main.items (run, place, item, images, captions)
          SELECT r.id, n.place, n.item, n.images, n.captions FROM other.items n
          JOIN other.runs o ON o.id = n.run JOIN main.runs r ON r.digest = o.digest ORDER BY r.id, n.place;
          """)
        return result
      }
    }
  }
}
