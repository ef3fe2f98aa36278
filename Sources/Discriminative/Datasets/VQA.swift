/// Questions about COCO images with ten answers, as sentences.
struct VQAOther: Dataset {
  static let name = "vqa-other"
  static let files = "vqa_text_test.csv; COCO_val2014_ID.jpg"

  init(_ options: DatasetOptions) {}

  func items(in folder: DatasetFolder, _ rows: DatasetRows) throws -> [EvaluationItem] {
    let wrong = (1...9).map { "neg_sentence_\($0)" }
    let table = try CSVTable(
      folder, try folder.file(["vqa_text_test.csv", "data/vqa_text_test.csv"]),
      columns: ["sentence", "pos_image_id"] + wrong)
    var number = 0
    return try table.rows(rows) { row in
      number += 1
      return try .captions(
        "vqa-other/\(number)", VQAOther.name,
        image: folder.image(COCO.name("val2014", row.number("pos_image_id")), in: COCO.folders("val2014")),
        right: row.text("sentence"), wrong: wrong.map(row.text), place: row.place)
    }
  }
}

/// A yes-or-no question with its answer, and ten images: its own, and nine drawn from those of the other questions.
struct VQABinary: Dataset {
  static let name = "vqa-binary"
  static let files = "test.txt; COCO_val2014_ID.jpg"
  private static let kind = "The question is asking about yes or no:"
  private static let wrongImages = 9

  private let seed: UInt64

  init(_ options: DatasetOptions) { seed = options.drawSeed }

  func items(in folder: DatasetFolder, _ rows: DatasetRows) throws -> [EvaluationItem] {
    let file = try folder.file(["test.txt", "data/test.txt"])
    let questions = try folder.lines(file).compactMap { line -> (image: String, text: String, line: Int)? in
      // What is no UTF-8 may be such a question.
      guard line.text?.contains(VQABinary.kind) ?? true else { return nil }
      return try rows.take(line.place) {
        let (image, text) = try VQABinary.question(line.whole())
        return (image, text, line.number)
      }
    }
    var seen: Set<String> = []
    let names = questions.map(\.image).filter { seen.insert($0).inserted }
    guard names.count > VQABinary.wrongImages else {
      throw DataError(
        "\(folder.path(file)): has \(names.count) images of yes-or-no questions, ten are needed")
    }
    let draw = AlternativeDraw(names, seed: seed)
    let folders = COCO.folders("val2014")
    return try questions.compactMap { image, text, line in
      let place = "\(folder.path(file)):\(line)"
      return try rows.take(place) {
        let wrong = try draw.pick(VQABinary.wrongImages, row: line) { names[$0] == image }
        return try .images(
          "vqa-binary/\(line)", VQABinary.name, text: text, right: folder.image(image, in: folders),
          wrong: wrong.map { try folder.image(names[$0], in: folders) }, place: place)
      }
    }
  }

  /// `IMAGE*The question is asking about yes or no: TEXT`
  private static func question(_ line: String) throws -> (image: String, text: String) {
    guard let star = line.firstIndex(of: "*"), let colon = line[star...].range(of: ": ") else {
      throw DataError("not IMAGE*\(kind) TEXT")
    }
    let (image, text) = (String(line[..<star]), String(line[colon.upperBound...]))
    guard !image.isEmpty, !text.isEmpty else { throw DataError("the image or the text is empty") }
    return (image, text)
  }
}

/// How COCO's images are called.
enum COCO {
  static func name(_ part: String, _ id: Int) -> String {
    let digits = String(id)
    return "COCO_\(part)_" + String(repeating: "0", count: max(0, 12 - digits.count)) + digits + ".jpg"
  }

  static func folders(_ part: String) -> [String] { ["", part, "images", "images/\(part)"] }
}
