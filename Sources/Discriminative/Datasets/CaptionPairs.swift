import Foundation
import ONNXWire

/// The Visual Genome parts of ARO: a right and a false caption for a rectangle of an image.
struct ARO: Dataset {
  static let name = "aro"
  static let files = "visual_genome_relation.json, visual_genome_attribution.json; images/ID.jpg"

  init(_ options: DatasetOptions) {}

  func items(in folder: DatasetFolder, _ rows: DatasetRows) throws -> [EvaluationItem] {
    let parts = [
      ("aro-relation", "visual_genome_relation.json"), ("aro-attribution", "visual_genome_attribution.json"),
    ]
    let present = parts.filter { folder.first(of: [$0.1]) != nil }
    guard !present.isEmpty else {
      _ = try folder.file(parts.map(\.1))
      return []
    }
    return try present.flatMap { task, file in
      try folder.json(file).elements(folder.path(file)).enumerated().compactMap { number, json in
        let place = "\(folder.path(file)), case \(number + 1)"
        return try rows.take(place) {
          let fields = try JSONFields(json)
          let box = try ["bbox_x", "bbox_y", "bbox_w", "bbox_h"].map(fields.number)
          return try EvaluationItem.captions(
            "\(task)/\(number + 1)", task, category: ARO.category(fields),
            image: folder.image(
              fields.text("image_path"), in: ["images", ""],
              region: "#xywh=" + box.map(String.init).joined(separator: ",")),
            right: fields.text("true_caption"), wrong: [fields.text("false_caption")], place: place)
        }
      }
    }
  }
}

extension ARO {
  /// The relation, or the two attributes.
  private static func category(_ fields: JSONFields) throws -> String? {
    if let relation = try fields.optionalText("relation_name") { return relation }
    return fields.values["attributes"] == nil ? nil : try fields.texts("attributes").joined(separator: "_")
  }
}

/// SugarCrepe: a COCO image with a right caption and one that was changed a little.
struct SugarCrepe: Dataset {
  static let name = "sugarcrepe"
  static let files = "add_obj.json, swap_att.json and the others; val2017/ID.jpg"
  private static let parts = ["add", "replace", "swap"].flatMap { way in
    ["obj", "att", "rel"].map { "\(way)_\($0)" }
  }

  init(_ options: DatasetOptions) {}

  func items(in folder: DatasetFolder, _ rows: DatasetRows) throws -> [EvaluationItem] {
    let present = SugarCrepe.parts.compactMap { part in
      folder.first(of: ["\(part).json", "data/\(part).json"]).map { (part, $0) }
    }
    guard !present.isEmpty else {
      _ = try folder.file(SugarCrepe.parts.map { "\($0).json" })
      return []
    }
    return try present.flatMap { part, file in
      guard case .object(let cases) = try folder.json(file) else {
        throw DataError("\(folder.path(file)): an object of cases expected")
      }
      return try cases.sorted { ($0.key.count, $0.key) < ($1.key.count, $1.key) }.compactMap { key, json in
        let place = "\(folder.path(file)), case \(key)"
        return try rows.take(place) {
          let fields = try JSONFields(json)
          return try EvaluationItem.captions(
            "\(part)/\(key)", SugarCrepe.name, category: part,
            image: folder.image(
              fields.text("filename"), in: ["val2017", "", "images", "images/val2017", "coco/val2017"]),
            right: fields.text("caption"), wrong: [fields.text("negative_caption")], place: place)
        }
      }
    }
  }
}

/// VL-CheckList: images of several sources, with a right caption and one in which one thing is wrong.
struct VLCheckList: Dataset {
  static let name = "vl-checklist"
  static let files = "data/Attribute|Object|Relation/….json; vg/, swig/, hake/"
  private static let sources = ["vg", "swig", "hake"]

  init(_ options: DatasetOptions) {}

  func items(in folder: DatasetFolder, _ rows: DatasetRows) throws -> [EvaluationItem] {
    let kinds = ["Attribute", "Object", "Relation"]
    let base = try folder.file(["data", "."])
    let present = kinds.filter { folder.first(of: ["\(base)/\($0)"]) != nil }
    guard !present.isEmpty else {
      _ = try folder.file(kinds.map { "data/\($0)" })
      return []
    }
    return try present.flatMap { kind in
      try folder.fileNames(below: "\(base)/\(kind)", ending: ".json").flatMap { name in
        try items("\(base)/\(kind)/\(name)", category: "\(kind)/\(name.dropLast(5))", folder, rows)
      }
    }
  }

  private func items(_ file: String, category: String, _ folder: DatasetFolder, _ rows: DatasetRows) throws
    -> [EvaluationItem]
  {
    // VAW's images are Visual Genome's.
    let known = category.replacing("vaw", with: "vg")
    let own = VLCheckList.sources.filter { known.split { "/_".contains($0) }.contains(Substring($0)) }
    let folders = (own.isEmpty ? VLCheckList.sources : own) + [""]
    return try folder.json(file).elements(folder.path(file)).enumerated().compactMap { number, json in
      let place = "\(folder.path(file)), case \(number + 1)"
      return try rows.take(place) {
        guard case .array(let pair) = json, pair.count == 2, case .string(let path) = pair[0] else {
          throw DataError("[image, captions] expected")
        }
        let fields = try JSONFields(pair[1])
        // The published measure compares the first caption of each kind.
        return try EvaluationItem.captions(
          "\(category)/\(number + 1)", VLCheckList.name, category: category,
          image: folder.image(path, in: folders), right: fields.texts("POS")[0],
          wrong: [fields.texts("NEG")[0]], place: place)
      }
    }
  }
}

extension JSON {
  /// - Throws: `DataError` when it is no list.
  fileprivate func elements(_ path: String) throws -> [JSON] {
    guard case .array(let list) = self else { throw DataError("\(path): a list expected, not \(kind)") }
    return list
  }
}
