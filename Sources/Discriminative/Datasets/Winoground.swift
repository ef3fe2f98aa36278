import Diffusion
import ONNXWire

/// Two images and two captions of the same words; the text, image and group score are those of the paper (Thrush and
/// others, 2022).
struct Winoground: Dataset {
  static let name = "winoground"
  static let files = "examples.jsonl; images/ex_ID_img_N.png"

  init(_ options: DatasetOptions) {}

  func items(in folder: DatasetFolder, _ rows: DatasetRows) throws -> [EvaluationItem] {
    let file = try folder.file(["examples.jsonl", "data/examples.jsonl"])
    return try folder.lines(file).compactMap { line in
      try rows.take(line.place) {
        let fields = try JSONFields(line.json())
        let images = try [0, 1].map { number in
          let name = try fields.text("image_\(number)")
          let hasEnding = name.split(separator: "/").last?.contains(".") ?? false
          return try folder.image(hasEnding ? name : name + ".png", in: ["images", "", "data/images"])
        }
        let texts = try [0, 1].map { try fields.text("caption_\($0)") }
        for text in texts { try CLIPTokenizer.check(text) }
        return EvaluationItem(
          id: "winoground/\(try fields.number("id"))", task: Winoground.name,
          category: try fields.optionalText("collapsed_tag") ?? fields.optionalText("tag"), images: images,
          texts: texts, right: [.init(image: 0, text: 0), .init(image: 1, text: 1)], place: line.place)
      }
    }
  }
}
