import Foundation
import TestSupport
import Testing

@testable import Discriminative

@Suite struct ResultsFileTests {
  private let levels = [NoiseLevel(timestep: 5, noise: "n"), NoiseLevel(timestep: 7, noise: "o")]

  private func record(
    _ image: String, _ caption: String, _ step: Int = 0, _ quantity: Quantity = .error, _ values: [Double]
  ) -> TermRecord {
    TermRecord(
      image: image, caption: caption, text: "text \(caption)",
      place: TermPlace(step: step, quantity: quantity),
      values: values)
  }

  private func store(_ path: String, _ weights: String = "w", _ levels: [NoiseLevel]? = nil) throws
    -> StoredTerms
  {
    let file = try ResultsFile(path: path)
    try file.note(.init(), graph: "g", weights: weights)
    return try file.terms(graph: "g", weights: weights, levels: levels ?? self.levels)
  }

  /// What is written is read back exactly, special numbers too, and found by all that it depends on.
  @Test func roundTrip() throws {
    let path = try Fixtures.scratch() + "/r.sqlite"
    let values = [.infinity, -.infinity, 0.1 + 0.2, 1e-308, -0.0]
    do {
      let store = try store(path)
      try store.append([
        record("a", "b", 0, .attention(AttentionVariant(.mass, .content)), values),
        record("a", "b", 1, .error, [3]),
        record("a", "", 1, .error, [4]),
      ])
      // What is there stays.
      try store.append([record("a", "b", 1, .error, [9])])
    }
    let found = try store(path).terms(image: "a", caption: "b")
    #expect(
      found == [
        TermPlace(step: 0, quantity: .attention(AttentionVariant(.mass, .content))): values,
        TermPlace(step: 1, quantity: .error): [3],
      ])
    #expect(found.values.contains { $0.last?.sign == .minus })
    #expect(try store(path).terms(image: "b", caption: "a").isEmpty)
    #expect(try store(path, "other").terms(image: "a", caption: "b").isEmpty)
    // A run whose second level is this one's first, and whose first has other noise.
    let other = [NoiseLevel(timestep: 5, noise: "x"), levels[0], levels[0]]
    let places = try store(path, "w", other).terms(image: "a", caption: "b").keys.map(\.step).sorted()
    #expect(places == [1, 2])
  }

  @Test(arguments: ["error", "raw error", "heads", "attention max", "empty caption mass@content"])
  func names(_ name: String) { #expect(Quantity(name: name)?.name == name) }

  /// Two open connections see what the other has written.
  @Test func twoRuns() throws {
    let path = try Fixtures.scratch() + "/r.sqlite"
    let (one, two) = (try store(path), try store(path))
    try one.append([record("a", "b", 0, .error, [1])])
    #expect(try two.terms(image: "a", caption: "b").count == 1)
    try two.append([record("a", "b", 1, .error, [2]), record("c", "b", 1, .error, [3])])
    #expect(try one.terms(image: "a", caption: "b").count == 2)
    try one.append([record("c", "b", 0, .error, [4])])
    #expect(try store(path).terms(image: "c", caption: "b").count == 2)
  }

  /// What cannot be kept as a whole is not kept at all, and the next item is.
  @Test func wholeItems() throws {
    let path = try Fixtures.scratch() + "/r.sqlite"
    let file = try ResultsFile(path: path)
    // The model is not noted: its row is missing.
    let store = try file.terms(graph: "g", weights: "w", levels: levels)
    #expect(throws: DataError.self) { try store.append([record("a", "b", 0, .error, [1])]) }
    #expect(try ResultsContents.rows(path, "SELECT * FROM images").isEmpty)
    try file.note(.init(layers: ["x"]), graph: "g", weights: "w")
    try file.note(.init(layers: ["y"], heads: [2]), graph: "g", weights: "w")
    #expect(try file.model(graph: "g", weights: "w") == .init(layers: ["x"], heads: [2]))
    try store.append([record("a", "b", 0, .error, [1])])
    #expect(try store.terms(image: "a", caption: "b").count == 1)
  }

  /// Files that are something else are left as they are.
  @Test func foreignFiles() throws {
    let folder = try Fixtures.scratch()
    for content in [
      "notes\n", "{\"format\":\"dsd-eval\",\"version\":1}\n", String(repeating: "x", count: 5000),
    ] {
      let path = "\(folder)/r.jsonl"
      try content.write(toFile: path, atomically: true, encoding: .utf8)
      #expect(throws: DataError("\(path): not a results file of dsd eval")) {
        _ = try ResultsFile(path: path)
      }
      #expect(try String(contentsOfFile: path, encoding: .utf8) == content)
    }
    // Another program's database, and one of a version to come.
    for (name, sql, message) in [
      ("other", "CREATE TABLE t (x)", "not a results file of dsd eval"),
      ("log", "PRAGMA journal_mode = WAL; CREATE TABLE t (x)", "not a results file of dsd eval"),
      (
        "later", "PRAGMA application_id = 0x64736431; PRAGMA user_version = 2",
        "version 2 of results is not known"
      ),
    ] {
      let path = "\(folder)/\(name).sqlite"
      do { try Database(path: path).run(sql) }
      let before = try Data(contentsOf: URL(fileURLWithPath: path))
      #expect(throws: DataError("\(path): \(message)")) { _ = try ResultsFile(path: path) }
      #expect(throws: DataError.self) { _ = try ResultsFile(path: path, isReadOnly: true) }
      #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
    }
    #expect(throws: DataError.self) { _ = try ResultsFile(path: folder) }
    #expect(throws: DataError.self) { _ = try ResultsFile(path: "\(folder)/none/r.sqlite") }
    #expect(throws: DataError("/dev/null: not a regular file")) { _ = try ResultsFile(path: "/dev/null") }
    #expect(throws: DataError("\(folder)/none.sqlite: No such file or directory")) {
      _ = try ResultsFile(path: "\(folder)/none.sqlite", isReadOnly: true)
    }
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/none.sqlite"))
  }

  /// Bytes overwritten anywhere: an error that names the file, or what was there, never a fault.
  @Test func damaged() throws {
    let folder = try Fixtures.scratch()
    let path = "\(folder)/r.sqlite"
    do {
      let store = try store(path)
      for place in 0..<60 {
        try store.append([
          record("image \(place)", "caption \(place % 7)", place % 2, .error, [Double(place)])
        ])
      }
    }
    let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
    #expect(!FileManager.default.fileExists(atPath: path + "-wal"))
    var random = Seeded(3)
    var errors = 0
    for number in 0..<120 {
      var changed = bytes
      let start = Int.random(in: 0..<bytes.count, using: &random)
      for place in start..<min(start + 40, bytes.count) {
        changed[place] = .random(in: 0...255, using: &random)
      }
      if number % 4 == 0 { changed.removeLast(Int.random(in: 1..<bytes.count, using: &random)) }
      let copy = "\(folder)/copy-\(number).sqlite"
      try Data(changed).write(to: URL(fileURLWithPath: copy))
      do {
        let store = try store(copy)
        for place in 0..<60 { _ = try store.terms(image: "image \(place)", caption: "caption \(place % 7)") }
        _ = try ResultsFile(path: copy).runs()
      } catch let error as DataError {
        #expect(error.message.hasPrefix("\(copy): "), "\(error)")
        errors += 1
      }
    }
    #expect(errors > 20)
  }

  /// Files that were made by hand: an error, never a fault, however odd what they hold.
  @Test func handmade() throws {
    let folder = try Fixtures.scratch()
    func file(_ name: String, _ sql: String) throws -> String {
      let path = "\(folder)/\(name).sqlite"
      do { try store(path).append([record("a", "b", 0, .error, [1])]) }
      try Database(path: path).run(sql)
      return path
    }
    for (name, sql) in [
      ("view", "DROP TABLE runs; CREATE VIEW runs AS SELECT 1 AS id, 'x' AS digest, 'y' AS about"),
      ("trigger", "CREATE TRIGGER t BEFORE INSERT ON levels BEGIN SELECT RAISE(IGNORE); END"),
      ("table", "DROP TABLE terms"),
    ] {
      let path = try file(name, sql)
      let error = #expect(throws: DataError.self) { _ = try ResultsFile(path: path, isReadOnly: true) }
      #expect(error?.message.hasPrefix("\(path): a damaged results file: its tables") == true)
      #expect(throws: DataError.self) { _ = try ResultsFile(path: "\(folder)/whole.sqlite").merge(path) }
    }
    for (number, heads) in [
      "[9223372036854775807]", "[-5]", "[4000000000000]", "[1,2]", "[]", "{}", "[null]",
    ].enumerated() {
      let path = try file("heads-\(number)", "UPDATE models SET layers = '[\"x\"]', heads = '\(heads)'")
      #expect(throws: DataError.self, "\(heads)") {
        _ = try ResultsFile(path: path, isReadOnly: true).model(graph: "g", weights: "w")
      }
    }
    // A value of half a number.
    let half = try file("half", "UPDATE terms SET value = x'0102'")
    #expect(throws: DataError("\(half): a damaged results file")) {
      _ = try store(half).terms(image: "a", caption: "b")
    }
    // A right pair among wordings that is none of the captions.
    let pair = try file(
      "pair",
      """
      INSERT INTO runs VALUES (1, 'd', '{"origin":{"version":"","graph":"","adapters":[],"heads":[],"dataset":"","items":"",
      "images":""},"graph":"g","weights":"w","levels":[],"latent":"mean","score":"both","official_compat":false,
      "variants":[],"layers":[],"empty_caption":"","bad":[]}');
      INSERT INTO items VALUES (1, 0, '{"id":"i","task":"t","images":["a"],"texts":["b","c"],"right":[[0,1]],"wordings":2}',
      '1', '2,3');
      """)
    let odd = try ResultsFile(path: pair, isReadOnly: true)
    #expect(throws: DataError.self) { _ = try odd.items(of: odd.runs()[0]) }
    // What SQLite takes for something else is a file here.
    #expect(throws: DataError(":none: No such file or directory")) {
      _ = try ResultsFile(path: ":none", isReadOnly: true)
    }
  }

  /// One job at a time; one that is refused takes nothing away from the other.
  @Test func jobLock() throws {
    let path = try Fixtures.scratch() + "/r.job"
    do {
      let first = try JobLock(path, of: "r")
      for _ in 0..<2 {
        #expect(throws: DataError("r: another job of mpirun fills it")) { _ = try JobLock(path, of: "r") }
        #expect(FileManager.default.fileExists(atPath: path))
      }
      withExtendedLifetime(first) {}
    }
    #expect(!FileManager.default.fileExists(atPath: path))
    _ = try JobLock(path, of: "r")
  }

  /// A finished file is one file, which can be read where nothing can be written.
  @Test func oneFile() throws {
    let folder = try Fixtures.scratch()
    let path = "\(folder)/r.sqlite"
    do { try store(path).append([record("a", "b", 0, .error, [1])]) }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["r.sqlite"])
    do {
      let file = try ResultsFile(path: path, isReadOnly: true)
      #expect(
        try file.terms(graph: "g", weights: "w", levels: levels).terms(image: "a", caption: "b").count == 1)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["r.sqlite"])
  }

  /// Files put together hold what each of them held, and a second time nothing more.
  @Test func merge() throws {
    let folder = try Fixtures.scratch()
    let (a, b) = ("\(folder)/a.sqlite", "\(folder)/b.sqlite")
    // The second one numbers its rows in another order.
    try store(a).append([record("i", "c", 0, .error, [1]), record("j", "c", 0, .error, [2])])
    try store(b).append([
      record("j", "d", 1, .heads, [3, 4]), record("j", "c", 0, .error, [2]), record("i", "c", 0, .error, [5]),
    ])
    try store(b, "v").append([record("i", "d", 0, .rawError, [6])])
    let file = try ResultsFile(path: a)
    #expect(try file.merge(b) == .init(added: 2, different: 1))
    #expect(try file.merge(b) == .init(added: 0, different: 1))
    let terms = try file.terms(graph: "g", weights: "w", levels: levels)
    #expect(try terms.terms(image: "i", caption: "c") == [TermPlace(step: 0, quantity: .error): [1]])
    #expect(try terms.terms(image: "j", caption: "d") == [TermPlace(step: 1, quantity: .heads): [3, 4]])
    let other = try file.terms(graph: "g", weights: "v", levels: levels)
    #expect(try other.terms(image: "i", caption: "d") == [TermPlace(step: 0, quantity: .rawError): [6]])
    #expect(throws: DataError("\(a): is \(a) itself")) { _ = try file.merge(a) }
    #expect(throws: DataError.self) { _ = try file.merge("\(folder)/none.sqlite") }
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/none.sqlite"))
  }

  /// A run is put down once, with its items as they are.
  @Test func runs() throws {
    let path = try Fixtures.scratch() + "/r.sqlite"
    let origin = RunOrigin(version: "1", graph: "g.pb", dataset: "pairs", items: "i.jsonl", images: "")
    let description = RunDescription(
      origin: origin, graph: "g", weights: "w", levels: [.init(timestep: 5, noise: "n")], seed: 3,
      latent: "mean",
      score: "both", officialCompat: false, variants: ["max"], layers: [.init(name: "all", selection: "all")],
      emptyCaption: "e", bad: [.init(place: "i.jsonl:4", reason: "none")])
    var item = EvaluationItem(
      id: "ä \"1\"\n/", task: "t", category: "c",
      images: [try ImageReference("a b.png#xywh=1,2,3,4"), try ImageReference("c#d.png")],
      texts: ["x", "y", "z", "w"],
      right: [.init(image: 1, text: 1)], wordings: 2, isHeldOut: true)
    let identity = ItemIdentity(images: ["1", "2"], captions: ["3", "4", "5", "6"])
    for _ in 0..<2 { try ResultsFile(path: path).begin(description, items: [(item, identity)]) }
    let file = try ResultsFile(path: path, isReadOnly: true)
    let runs = try file.runs()
    #expect(runs.map(\.description) == [description] && runs[0].items == 1)
    let found = try file.items(of: runs[0])
    item.place = "\(path): item 1"
    #expect(found.map(\.item) == [item] && found.map(\.identity) == [identity])
  }
}
