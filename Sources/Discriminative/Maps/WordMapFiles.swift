import Diffusion
import Foundation
import GraphIR
import ONNXWire

/// Writes word maps as pictures and arrays: for image i and caption j `imageI-textJ.npy`, what it holds as
/// `.json`, and pictures.
public struct WordMapFiles: Sendable {
  public enum Pictures: String, Sendable, CaseIterable {
    /// One sheet for each image and caption.
    case sheet
    /// One picture for each word.
    case words
    case both
  }

  public enum Scale: String, Sendable, CaseIterable {
    /// Each word's colours go from its own least to its own largest value.
    case word
    /// All words of a sheet have the same scale.
    case sheet
  }

  public var folder: String
  public var pictures = Pictures.sheet
  public var scale = Scale.word
  /// The longer side of a panel in pixels.
  public var size = 256

  public init(folder: String) { self.folder = folder }

  private struct Facts: Encodable {
    struct Word: Encodable {
      let text: String
      /// Text positions.
      let positions: [Int]
      let min, max: Double
    }
    let image, caption: String
    let words: [Word]
    let shape: [Int]
    let layers: [String]
    let timesteps: [Int]
    let positions, relative: String
  }

  /// - Parameter photo: the image as it was given.
  /// - Returns: the paths of the pictures.
  /// - Throws: `DataError` that names the file that cannot be written.
  @discardableResult
  public func write(_ maps: WordMaps, image: Int, text: Int, photo: RGBImage) throws -> [String] {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw DataError("--hook attn-map: cannot make the folder \(folder)")
    }
    let base = "\(folder)/image\(image)-text\(text)"
    let tensor = maps.tensor
    try NPYFile.write(tensor, to: "\(base).npy")
    let words = zip(maps.words, maps.planes).map { word, plane in
      Facts.Word(
        text: word.text, positions: Array(word.positions), min: plane.values.min() ?? 0,
        max: plane.values.max() ?? 0)
    }
    let facts = Facts(
      image: maps.image, caption: maps.caption, words: words, shape: tensor.shape, layers: maps.layers,
      timesteps: maps.timesteps, positions: maps.positions.rawValue, relative: maps.relative.rawValue)
    try AtomicFile.write(Array((try JSONText.encode(facts) + "\n").utf8), to: "\(base).json")

    let photo = HeatPanel.photo(photo, size: size)
    let panels = maps.planes.indices.map { word in
      HeatPanel.image(photo, maps.planes[word], range: maps.range(of: word, common: scale == .sheet))
    }
    var paths: [String] = []
    if pictures != .words {
      let sheet = MapSheet(
        photo: photo, caption: maps.caption, panels: Array(zip(maps.words.map(\.text), panels)),
        note: note(maps))
      paths.append("\(base).png")
      try sheet.draw().writePNG(to: paths.last!)
    }
    if pictures != .sheet {
      for (word, panel) in panels.enumerated() {
        let letters = maps.words[word].text.filter { $0.isASCII && ($0.isLetter || $0.isNumber) }
        paths.append("\(base)-word\(word)\(letters.isEmpty ? "" : "-" + letters.prefix(64)).png")
        try panel.writePNG(to: paths.last!)
      }
    }
    return paths
  }

  /// What the colours mean.
  private func note(_ maps: WordMaps) -> String {
    let relative =
      switch maps.relative {
      case .none: ""
      case .words: ", less the mean over the words"
      case .emptyCaption: ", less what the empty caption draws"
      }
    return (scale == .word ? "each word on its own scale" : "all words on one scale") + relative
  }
}
