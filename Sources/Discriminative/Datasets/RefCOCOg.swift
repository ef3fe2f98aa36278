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
    let place, id, split, image: String
    let texts: [String]
  }

  func items(in folder: DatasetFolder, _ rows: DatasetRows) throws -> [EvaluationItem] {
    let file = try folder.file(["refs(google).jsonl", "refcocog/refs(google).jsonl"])
    let references = try folder.lines(file).compactMap { line in
      let place = "\(folder.path(file)):\(line.number)"
      return try rows.take(place) { try RefCOCOg.reference(JSON(parsing: line.text), place) }
    }
    let chosen = references.filter { $0.split == split }
    guard !chosen.isEmpty else {
      var splits: [String] = []
      for reference in references where !splits.contains(reference.split) { splits.append(reference.split) }
      throw DataError(
        "\(folder.path(file)): has no split '\(split)'; it has \(splits.joined(separator: ", "))")
    }
    let all = chosen.flatMap { reference in reference.texts.map { (image: reference.image, text: $0) } }
    var items: [EvaluationItem] = []
    var number = 0
    for reference in chosen {
      for (place, text) in reference.texts.enumerated() {
        number += 1
        let item = try rows.take(reference.place) {
          try EvaluationItem.captions(
            "refcocog/\(reference.id)/\(place + 1)", RefCOCOg.name,
            image: folder.image(reference.image, in: COCO.folders("train2014")), right: text,
            wrong: wrong(text, reference.image, all, number), place: reference.place)
        }
        if let item { items.append(item) }
      }
    }
    return items
  }

  /// Expressions of other images.
  private func wrong(_ text: String, _ image: String, _ all: [(image: String, text: String)], _ number: Int)
    throws
    -> [String]
  {
    var random = SplitMix64(state: seed &+ UInt64(number) &* 0x9E37_79B9_7F4A_7C15)
    var found: [String] = []
    var tries = 0
    while found.count < RefCOCOg.wrongTexts {
      tries += 1
      guard tries < 10_000 else { throw DataError("there are no nine expressions of other images") }
      let other = all[Int(random.next(below: UInt64(all.count)))]
      if other.image != image, other.text != text, !found.contains(other.text) { found.append(other.text) }
    }
    return found
  }

  private static func reference(_ json: JSON, _ place: String) throws -> Reference {
    let fields = try JSONFields(json)
    let sentences = try fields.list("sentences").map { sentence in
      do { return try JSONFields(sentence).text("raw") } catch let error as DataError {
        throw error.at("sentences")
      }
    }
    guard !sentences.isEmpty else { throw DataError("sentences: the list is empty") }
    return Reference(
      place: place, id: String(try fields.number("ref_id")), split: try fields.text("split"),
      image: try fields.optionalText("image") ?? COCO.name("train2014", fields.number("image_id")),
      texts: sentences)
  }
}
