/// Compositional Visual Genome: a sentence, an image that shows it, and one that shows another subject, object or verb.
struct ComVG: Dataset {
  static let name = "comvg"
  static let files = "compositional_visual_genome.csv; ID.jpg"

  init(_ options: DatasetOptions) {}

  func items(in folder: DatasetFolder, _ rows: DatasetRows) throws -> [EvaluationItem] {
    let file = try folder.file(["compositional_visual_genome.csv", "data/compositional_visual_genome.csv"])
    let table = try CSVTable(
      folder, file, columns: ["id", "sentence", "pos_image_id", "neg_image_id", "neg_value"])
    func image(_ row: CSVTable.Row, _ column: String) throws -> ImageReference {
      try folder.image("\(row.number(column)).jpg", in: ["", "images", "vg_concept", "VG_100K", "VG_100K_2"])
    }
    return try table.rows(rows) { row in
      try .images(
        "comvg/\(row.text("id"))", ComVG.name, category: row.text("neg_value"), text: row.text("sentence"),
        right: image(row, "pos_image_id"), wrong: [image(row, "neg_image_id")], place: row.place)
    }
  }
}
