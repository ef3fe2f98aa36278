import Discriminative
import Foundation

/// What a request gets: the object of `dsd-run --json`, with the terms and maps that were asked for.
struct ScoreAnswer: Sendable, Encodable {
  /// The terms of every layer and noise level: what other choices of them can be told from.
  struct Terms: Sendable, Encodable {
    let layers: [String]
    /// Places of the layers that the request's score reads.
    let chosen: [Int]
    /// `[image][text][timestep][layer]`; nil where the term was not asked for, likewise `bias`.
    let attention: [[[[Double]]]]?
    /// `[image][text][timestep]`
    let bias: [[[Double]]]?
  }

  /// Where the words of a caption look in an image.
  struct Map: Sendable, Encodable {
    struct Word: Sendable, Encodable {
      let text: String
      /// `[height][width]`, row by row.
      let values: [Float]
    }

    let height, width: Int
    let words: [Word]

    init(_ maps: WordMaps) {
      let tensor = maps.tensor
      height = tensor.shape[1]
      width = tensor.shape[2]
      let values = tensor.array(of: Float.self)
      let area = height * width
      words = maps.words.enumerated().map { place, word in
        Word(text: word.text, values: Array(values[place * area..<(place + 1) * area]))
      }
    }
  }

  var result: MatchingResult
  var terms: Terms?
  /// `[image][text]`
  var maps: [[Map]]?
  /// Seconds that the run took, waiting not included.
  var seconds: Double

  enum CodingKeys: String, CodingKey { case terms, maps, seconds }

  func encode(to encoder: any Encoder) throws {
    try result.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encodeIfPresent(terms, forKey: .terms)
    try container.encodeIfPresent(maps, forKey: .maps)
    try container.encode(seconds, forKey: .seconds)
  }
}
