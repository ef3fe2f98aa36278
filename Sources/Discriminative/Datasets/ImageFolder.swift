import Diffusion
import ONNXWire

/// A folder of images for each class: zero-shot classification by captions made of templates.
struct ImageFolder: Dataset {
  static let name = "imagefolder"
  static let files = "CLASS/IMAGE.png or .jpg"
  private static let endings = [".png", ".jpg", ".jpeg", ".JPEG", ".JPG", ".PNG"]

  private let templates: [String]
  private let classNames: String?

  init(_ options: DatasetOptions) {
    templates = options.templates
    classNames = options.classNames
  }

  func items(in folder: DatasetFolder, _ rows: DatasetRows) throws -> [EvaluationItem] {
    for template in templates where !template.contains("{}") {
      throw DataError("--template: '\(template)' has no {} for the class's name")
    }
    let given = try classNames.map(ImageFolder.read)
    var classes: [(folder: String, images: [String])] = []
    for name in try folder.imageNames(in: "") {
      guard let images = try? folder.imageNames(in: name) else { continue }
      let files = images.filter { image in ImageFolder.endings.contains { image.hasSuffix($0) } }
      if !files.isEmpty { classes.append((name, files)) }
    }
    guard classes.count > 1 else {
      throw DataError("imagefolder: a folder of images for each of two classes at least expected")
    }
    let names = try classes.map { entry in
      guard let given else { return entry.folder.replacing("_", with: " ") }
      guard let name = given[entry.folder] else {
        throw DataError("\(classNames!): has no name for the folder '\(entry.folder)'")
      }
      return name
    }
    for (place, name) in names.enumerated() {
      if let other = names[..<place].firstIndex(of: name) {
        throw DataError(
          "imagefolder: the folders '\(classes[other].folder)' and '\(classes[place].folder)' have the same name, "
            + "'\(name)': their captions could not be told apart")
      }
    }
    let texts = names.flatMap { name in templates.map { $0.replacing("{}", with: name) } }
    for text in texts { try CLIPTokenizer.check(text) }
    guard texts.count <= ItemReader.pairLimit else {
      throw DataError("imagefolder: \(texts.count) captions are more than \(ItemReader.pairLimit)")
    }
    return try classes.enumerated().flatMap { number, entry in
      try entry.images.compactMap { image in
        try rows.take("\(entry.folder)/\(image)") {
          EvaluationItem(
            id: "\(entry.folder)/\(image)", task: ImageFolder.name, category: names[number],
            images: [try ImageReference("\(entry.folder)/\(image)")], texts: texts,
            right: [.init(image: 0, text: number)], wordings: templates.count,
            place: "\(entry.folder)/\(image)"
          )
        }
      }
    }
  }

  /// Names of classes by their folders.
  private static func read(_ path: String) throws -> [String: String] {
    let file = try MappedFile(path: path)
    return try withExtendedLifetime(file) {
      guard let text = String(validating: file.bytes, as: UTF8.self) else {
        throw DataError("\(path): not UTF-8")
      }
      var names: [String: String] = [:]
      for (number, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        .enumerated()
      where !line.allSatisfy(\.isWhitespace) {
        let parts = line.split(maxSplits: 1, whereSeparator: \.isWhitespace)
        guard parts.count == 2 else { throw DataError("\(path):\(number + 1): not FOLDER NAME") }
        names[String(parts[0])] = String(parts[1])
      }
      return names
    }
  }
}
