import Diffusion
import Foundation
import ONNXWire
import Rewrites

extension PromptTokens: StoredAdapter {
  private static let endTokensKey = "dsd.end_tokens"

  private static let classesKey = "dsd.classes"

  func metadata() throws -> [String: String] {
    var result: [String: String] = [:]
    if !endTokens.isEmpty {
      result[PromptTokens.endTokensKey] = try JSON.object(endTokens.mapValues { .int($0) }).text()
    }
    if !classes.isEmpty {
      result[PromptTokens.classesKey] = try JSON.array(classes.map { .string($0) }).text()
    }
    return result
  }

  init(_ file: SafetensorsFile) throws {
    var endTokens: [String: Int] = [:]
    if let text = file.metadata[PromptTokens.endTokensKey] {
      let settings = try ConfigFile(path: "metadata '\(PromptTokens.endTokensKey)'", text: text)
      for input in settings.values.keys { endTokens[input] = try settings.int(input) }
    }
    let classes = try file.metadata[PromptTokens.classesKey].map { text in
      let json = try? JSON(parsing: text)
      guard case .array(let names)? = json else {
        throw DataError("metadata '\(PromptTokens.classesKey)': a list of names expected")
      }
      return try names.map { name in
        guard case .string(let text) = name else {
          throw DataError("metadata '\(PromptTokens.classesKey)': \(name.kind) is no name")
        }
        return text
      }
    }
    self.init(count: try file.rows(), classes: classes ?? [], endTokens: endTokens)
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
  /// The number of rows of the first tensor, or of each of its matrices.
  fileprivate func rows() throws -> Int {
    guard let shape = entries[keys[0]]?.shape, shape.count == 2 || shape.count == 3 else {
      throw DataError("the tensor '\(keys[0])' has neither two nor three axes")
    }
    return shape[shape.count - 2]
  }
}
