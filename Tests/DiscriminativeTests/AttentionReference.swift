import Discriminative
import Foundation
import TestSupport

/// What torch read at a small checkpoint's cross-attention (`Tools/reference/make_attention_cases.py`).
struct AttentionReference {
  struct Facts: Decodable {
    /// Pooling and positions.
    let variants: [[String]]
    let normalizations: [String]
    let layers: [String]
    /// Of each caption.
    let words: [[String]]
    let positions: [[[Int]]]
  }

  let facts: Facts
  let tensors: SafetensorsFile

  init(_ kind: String) throws {
    let folder = Fixtures.path("reference/\(kind)")
    let data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/attention.json"))
    facts = try JSONDecoder().decode(Facts.self, from: data)
    tensors = try SafetensorsFile(path: "\(folder)/attention.safetensors")
  }

  /// Hooks that read every variant at all layers, or those that the options choose.
  func hooks(_ layers: LayerSelection = .all) -> [AttentionScore] {
    facts.variants.map {
      AttentionScore(
        selection: layers, pooling: Pooling(rawValue: $0[0])!, positions: TextPositions(rawValue: $0[1])!)
    }
  }
}
