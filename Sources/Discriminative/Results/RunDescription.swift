import Foundation
import ONNXWire

/// Where a run's graph and items come from, as the command line names them.
public struct RunOrigin: Sendable, Codable, Equatable {
  /// The program's version.
  public var version: String
  /// The graph file, and what is attached to it.
  public var graph: String
  public var adapters: [String]
  /// Heads that are scored with as well.
  public var heads: [String]
  /// The kind of benchmark, and its file or folder.
  public var dataset, items: String
  /// The folder that images' paths are relative to.
  public var images: String

  public init(
    version: String, graph: String, adapters: [String] = [], heads: [String] = [], dataset: String,
    items: String, images: String
  ) {
    self.version = version
    self.graph = graph
    self.adapters = adapters
    self.heads = heads
    self.dataset = dataset
    self.items = items
    self.images = images
  }
}

/// What an evaluation was asked for: with the terms of its items it gives the table again, without the model.
public struct RunDescription: Sendable, Codable, Equatable {
  public struct Level: Sendable, Codable, Equatable {
    public var timestep: Int
    /// The digest of the noise.
    public var noise: String
  }

  public struct Layers: Sendable, Codable, Equatable {
    public var name, selection: String
  }

  public var origin: RunOrigin
  /// Digests of the graph file and of the weights.
  public var graph, weights: String
  public var levels: [Level]
  /// Nil where the noise came from a file.
  public var seed: UInt64?
  public var latent, score: String
  public var officialCompat: Bool
  public var variants: [String]
  public var layers: [Layers]
  /// The digest of the empty caption.
  public var emptyCaption: String
  /// Rows that are no items, and items whose images could not be read when the run began.
  public var bad: [DatasetRows.Bad]

  enum CodingKeys: String, CodingKey {
    case origin, graph, weights, levels, seed, latent, score, variants, layers, bad
    case officialCompat = "official_compat"
    case emptyCaption = "empty_caption"
  }
}

extension ResultsFile {
  /// A run that the file knows of.
  public struct Run: Sendable {
    public let number: Int
    public let description: RunDescription
    /// How many items it was asked for.
    public let items: Int
  }

  /// Puts down a run; one that is there already stays as it is.
  func begin(_ description: RunDescription, items: [(EvaluationItem, ItemIdentity)]) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let about = String(decoding: try encoder.encode(description), as: UTF8.self)
    let rows = try items.map { item, identity in
      (
        item: String(decoding: try encoder.encode(StoredItem(item)), as: UTF8.self),
        images: identity.images.joined(separator: ","), captions: identity.captions.joined(separator: ",")
      )
    }
    var hash = SHA256()
    hash.update(about)
    for row in rows { for text in [row.item, row.images, row.captions] { hash.update(text) } }
    try lock.withLock {
      try database.transaction {
        try database.prepare("INSERT OR IGNORE INTO runs (digest, about) VALUES (?, ?)").run(
          .text(hash.hex), .text(about))
        guard database.changes > 0 else { return }
        let run = database.lastRow
        let insert = try database.prepare(
          "INSERT INTO items (run, place, item, images, captions) VALUES (?, ?, ?, ?, ?)")
        for (place, row) in rows.enumerated() {
          try insert.run(
            .integer(run), .integer(Int64(place)), .text(row.item), .text(row.images), .text(row.captions))
        }
      }
    }
  }

  /// The runs of the file, the first one first.
  /// - Throws: `DataError` when the file is damaged.
  public func runs() throws -> [Run] {
    try lock.withLock {
      var found: [Run] = []
      try database.prepare(
        "SELECT id, about, (SELECT count(*) FROM items WHERE run = runs.id) FROM runs ORDER BY id"
      ).forEach { row in
        guard let about = try? JSONDecoder().decode(RunDescription.self, from: Data(row.text(1).utf8)) else {
          throw DataError("\(path): a damaged results file")
        }
        found.append(Run(number: Int(row.integer(0)), description: about, items: Int(row.integer(2))))
      }
      return found
    }
  }

  /// The items of a run with what their terms are found by.
  func items(of run: Run) throws -> [(item: EvaluationItem, identity: ItemIdentity)] {
    try lock.withLock {
      var found: [(item: EvaluationItem, identity: ItemIdentity)] = []
      try database.prepare("SELECT item, images, captions FROM items WHERE run = ? ORDER BY place").forEach(
        .integer(Int64(run.number))
      ) { row in
        func list(_ column: Int32) -> [String] { row.text(column).split(separator: ",").map(String.init) }
        do {
          let item = try StoredItem.read(row.text(0), "\(path): item \(found.count + 1)")
          let identity = ItemIdentity(images: list(1), captions: list(2))
          guard identity.images.count == item.images.count, identity.captions.count == item.texts.count else {
            throw DataError("digests are missing")
          }
          found.append((item, identity))
        } catch let error as DataError {
          throw DataError("\(path): a damaged results file: \(error.message)")
        }
      }
      return found
    }
  }
}

/// An item as a results file has it: an object of an items file, with the number of its wordings.
private struct StoredItem: Encodable {
  let id, task: String
  let category: String?
  let images, texts: [String]
  let right: [[Int]]
  let held_out: Bool
  let wordings: Int

  init(_ item: EvaluationItem) {
    id = item.id
    task = item.task
    category = item.category
    images = item.images.map(\.description)
    texts = item.texts
    right = item.right.map { [$0.image, $0.text] }
    held_out = item.isHeldOut
    wordings = item.wordings
  }

  static func read(_ text: String, _ place: String) throws -> EvaluationItem {
    var item = try text.utf8CString.withUnsafeBytes {
      try ItemReader.item(UnsafeRawBufferPointer(rebasing: $0.dropLast()), place)
    }
    guard case .object(let values) = try JSON(parsing: text), case .int(let wordings)? = values["wordings"],
      wordings > 0, item.texts.count % wordings == 0
    else { throw DataError("wordings are missing") }
    item.wordings = wordings
    guard item.right.allSatisfy({ $0.text < item.captions }) else { throw DataError("right: out of range") }
    return item
  }
}
