import Diffusion
import Foundation
import ONNXWire
import Rewrites

extension PromptTokens: StoredAdapter {
  private static let endTokensKey = "dsd.end_tokens"

  func metadata() throws -> [String: String] {
    endTokens.isEmpty
      ? [:] : [PromptTokens.endTokensKey: try JSON.object(endTokens.mapValues { .int($0) }).text()]
  }

  init(_ file: SafetensorsFile) throws {
    var endTokens: [String: Int] = [:]
    if let text = file.metadata[PromptTokens.endTokensKey] {
      let settings = try ConfigFile(path: "metadata '\(PromptTokens.endTokensKey)'", text: text)
      for input in settings.values.keys { endTokens[input] = try settings.int(input) }
    }
    self.init(count: try file.rows(), endTokens: endTokens)
  }
}

extension KeyValueTokens {
  init(_ file: SafetensorsFile) throws {
    let suffix = ".key_tokens"
    let layers = file.keys.filter { $0.hasPrefix("unet.") && $0.hasSuffix(suffix) }
      .map { String($0.dropFirst("unet.".count).dropLast(suffix.count)) }
    self.init(count: try file.rows(), layers: layers)
  }
}

extension SafetensorsFile {
  /// The number of rows of the first tensor.
  fileprivate func rows() throws -> Int {
    guard let shape = entries[keys[0]]?.shape, shape.count == 2 else {
      throw DataError("the tensor '\(keys[0])' has no two axes")
    }
    return shape[0]
  }
}
