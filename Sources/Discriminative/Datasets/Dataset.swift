import Diffusion

/// A benchmark that is read from its files as they are distributed, below one folder.
///
/// To add one: a type like the ones beside this file, and its name in ``Datasets``.
public protocol Dataset: Sendable {
  /// What `--dataset` calls it.
  static var name: String { get }
  /// The files that are read, for help.
  static var files: String { get }

  init(_ options: DatasetOptions)

  /// The items in the order of the files.
  /// - Parameters:
  ///   - folder: where the files and images are.
  ///   - rows: takes the rows one by one, and knows what to do about those that are no items.
  /// - Throws: `DataError` that names the file, and the row where it is one row's fault.
  func items(in folder: DatasetFolder, _ rows: DatasetRows) throws -> [EvaluationItem]
}

/// What datasets can be told.
public struct DatasetOptions: Sendable {
  /// The part of the dataset, where its files have several; the dataset's own default when nil.
  public var split: String?
  /// The seed that alternatives are drawn with, where the files have none.
  public var drawSeed: UInt64 = 0
  /// Captions of a class, each with `{}` in the place of its name.
  public var templates = ["a photo of a {}."]
  /// A file with a line for each class: its folder, a space or tab, and its name.
  public var classNames: String?

  public init() {}
}

/// The datasets, by name.
public enum Datasets {
  public static let all: [any Dataset.Type] = [
    ComVG.self, RefCOCOg.self, VQAOther.self, VQABinary.self, Winoground.self, ARO.self, SugarCrepe.self,
    VLCheckList.self, ImageFolder.self,
  ]

  public static func named(_ name: String) -> (any Dataset.Type)? { all.first { $0.name == name } }
}

/// Takes a dataset's rows one by one.
public final class DatasetRows {
  /// A row that is no item.
  public struct Bad: Sendable, Equatable, Encodable {
    /// `FILE:LINE`
    public let place: String
    public let reason: String
  }

  /// Whether rows that are no items are counted instead of ending the run.
  public let skipsBad: Bool
  public private(set) var bad: [Bad] = []

  public init(skipsBad: Bool = false) { self.skipsBad = skipsBad }

  /// Reads one row; nil when it is bad and is to be counted only.
  /// - Parameter place: where it is: `FILE:LINE`, or the file and a key.
  /// - Throws: the row's error with its place.
  public func take<T>(_ place: String, _ body: () throws -> T) throws -> T? {
    do { return try body() } catch let error as DataError {
      guard skipsBad else { throw error.at(place) }
      bad.append(Bad(place: place, reason: error.message))
      return nil
    }
  }
}

extension EvaluationItem {
  /// An image with a right caption and wrong ones. Captions that are the right one word for word are left out.
  static func captions(
    _ id: String, _ task: String, category: String? = nil, image: ImageReference, right: String,
    wrong: [String], place: String
  ) throws -> EvaluationItem {
    var texts = [right]
    for text in wrong where text != right && !texts.contains(text) { texts.append(text) }
    for text in texts { try CLIPTokenizer.check(text) }
    guard texts.count > 1 else { throw DataError("no caption differs from the right one") }
    return EvaluationItem(
      id: id, task: task, category: category, images: [image], texts: texts,
      right: [.init(image: 0, text: 0)],
      place: place)
  }

  /// A caption with a right image and wrong ones.
  static func images(
    _ id: String, _ task: String, category: String? = nil, text: String, right: ImageReference,
    wrong: [ImageReference], place: String
  ) throws -> EvaluationItem {
    try CLIPTokenizer.check(text)
    return EvaluationItem(
      id: id, task: task, category: category, images: [right] + wrong, texts: [text],
      right: [.init(image: 0, text: 0)], place: place)
  }
}
