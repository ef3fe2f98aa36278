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

/// Draws wrong alternatives, for each row by itself: what other rows are there plays no part but for those that they
/// would be drawn from.
struct AlternativeDraw {
  let seed: UInt64
  /// A number for each candidate, made of its text.
  private let keys: [UInt64]

  /// - Parameter candidates: no two the same.
  init(_ candidates: [String], seed: UInt64) {
    self.seed = seed
    // FNV-1a
    keys = candidates.map { $0.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 } }
  }

  /// The candidates whose numbers, mixed with the row's, are the smallest.
  /// - Parameter isRight: whether a candidate may not be taken.
  /// - Throws: `DataError` when there are not so many.
  func pick(_ count: Int, row: Int, part: Int = 0, except isRight: (Int) -> Bool) throws -> [Int] {
    let own = SplitMix64.mixed(seed &+ SplitMix64.mixed(UInt64(row) << 16 &+ UInt64(part)))
    var best: [(value: UInt64, place: Int)] = []
    for (place, key) in keys.enumerated() {
      let value = SplitMix64.mixed(own ^ key)
      if best.count == count, value >= best[count - 1].value { continue }
      if isRight(place) { continue }
      best.insert((value, place), at: best.firstIndex { $0.value > value } ?? best.count)
      if best.count > count { best.removeLast() }
    }
    guard best.count == count else {
      throw DataError("there are \(best.count) wrong alternatives to draw from, \(count) are needed")
    }
    return best.map(\.place)
  }
}

/// Takes a dataset's rows one by one.
public final class DatasetRows {
  /// A row that is no item.
  public struct Bad: Sendable, Equatable, Codable {
    /// `FILE:LINE`
    public let place: String
    public let reason: String
  }

  /// Whether rows that are no items are counted instead of ending the run.
  public let skipsBad: Bool
  public private(set) var bad: [Bad] = []

  public init(skipsBad: Bool = false) { self.skipsBad = skipsBad }

  /// The error when nothing is left.
  public func nothing(in path: String) -> DataError {
    guard let first = bad.first else { return DataError("\(path): no items") }
    return DataError("\(path): no items; \(bad.count) bad rows, the first \(first.place): \(first.reason)")
  }

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
  /// An image with a right caption and wrong ones. Of several wrong ones those that are the right one word for word, or
  /// come twice, are left out; a single one that is the right one makes a tie, which counts as wrong.
  static func captions(
    _ id: String, _ task: String, category: String? = nil, image: ImageReference, right: String,
    wrong: [String], place: String
  ) throws -> EvaluationItem {
    var texts = [right]
    for text in wrong where wrong.count == 1 || text != right && !texts.contains(text) { texts.append(text) }
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
