import ONNXWire

/// Expressions that refer to things in COCO images, one right and nine drawn from those of other images.
///
/// `refs(google).p` is a Python pickle; `Tools/datasets/refcocog.py` writes what is read here.
struct RefCOCOg: Dataset {
  static let name = "refcocog"
  static let files = "refs(google).jsonl; COCO_train2014_ID.jpg"
  private static let wrongTexts = 9

  private let seed: UInt64
  private let split: String

  init(_ options: DatasetOptions) {
    seed = options.drawSeed
    split = options.split ?? "val"
  }

  private struct Reference {
    let line: Int
    let place, id, split, image: String
    let texts: [String]
  }

  func items(in folder: DatasetFolder, _ rows: DatasetRows) throws -> [EvaluationItem] {
    let file = try folder.file(["refs(google).jsonl", "refcocog/refs(google).jsonl"])
    let references = try folder.lines(file).compactMap { line in
      try rows.take(line.place) { try RefCOCOg.reference(line) }
    }
    let chosen = references.filter { $0.split == split }
    guard !chosen.isEmpty else {
      var splits: [String] = []
      for reference in references where !splits.contains(reference.split) { splits.append(reference.split) }
      throw DataError(
        "\(folder.path(file)): has no split '\(split)'; it has \(splits.joined(separator: ", "))")
    }
    // Expressions, with the images that they are told of.
    var imagesOf: [String: Set<String>] = [:]
    var texts: [String] = []
    for reference in chosen {
      for text in reference.texts where imagesOf[text, default: []].insert(reference.image).inserted {
        if imagesOf[text]!.count == 1 { texts.append(text) }
      }
    }
    let draw = AlternativeDraw(texts, seed: seed)
    var items: [EvaluationItem] = []
    for reference in chosen {
      for (part, text) in reference.texts.enumerated() {
        let item = try rows.take(reference.place) {
          let wrong = try draw.pick(RefCOCOg.wrongTexts, row: reference.line, part: part) {
            imagesOf[texts[$0]]!.contains(reference.image)
          }
          return try EvaluationItem.captions(
            "refcocog/\(reference.id)/\(part + 1)", RefCOCOg.name,
            image: folder.image(reference.image, in: COCO.folders("train2014")), right: text,
            wrong: wrong.map { texts[$0] }, place: reference.place)
        }
        if let item { items.append(item) }
      }
    }
    return items
  }

  private static func reference(_ line: DatasetFolder.Line) throws -> Reference {
    let fields = try JSONFields(line.json())
    let sentences = try fields.list("sentences").map { sentence in
      do { return try JSONFields(sentence).text("raw") } catch let error as DataError {
        throw error.at("sentences")
      }
    }
    guard !sentences.isEmpty else { throw DataError("sentences: the list is empty") }
    return Reference(
      line: line.number, place: line.place, id: String(try fields.number("ref_id")),
      split: try fields.text("split"),
      image: try fields.optionalText("image") ?? COCO.name("train2014", fields.number("image_id")),
      texts: sentences)
  }
}
