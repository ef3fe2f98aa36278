import Diffusion
import Foundation
import ONNXWire
import Rewrites

/// What a LoRA file says about alpha: in the metadata that diffusers writes (`lora_adapter_metadata`), or in peft's
/// `adapter_config.json` beside it.
struct LoRAScales {
  static let metadataKey = "lora_adapter_metadata"

  private let config: ConfigFile?
  /// Whether the settings' keys begin with the model's name.
  private let hasComponents: Bool

  init(_ file: SafetensorsFile) throws {
    let sibling = "\(FolderBoundary.folder(of: file.path))/adapter_config.json"
    if let text = file.metadata[LoRAScales.metadataKey] {
      config = try ConfigFile(path: "metadata '\(LoRAScales.metadataKey)'", text: text)
      hasComponents = true
    } else if file.path.hasSuffix("adapter_model.safetensors"),
      FileManager.default.fileExists(atPath: sibling)
    {
      config = try ConfigFile(path: sibling)
      hasComponents = false
    } else {
      config = nil
      hasComponents = false
    }
  }

  /// alpha / rank, or alpha / √rank where the settings say so. Without any alpha it is 1.
  /// - Parameter alpha: the file's own tensor for the layer, which goes before the settings.
  func scale(of module: String, rank: Int, alpha: Double?) throws -> Float {
    if let alpha { return Float(alpha / Double(rank)) }
    guard let config else { return 1 }
    let parts = module.split(separator: ".", maxSplits: 1).map(String.init)
    let prefix = hasComponents ? parts[0] + "." : ""
    let layer = parts.last ?? module
    for flag in ["use_dora", "lora_bias"] where try config.bool(prefix + flag, default: false) {
      throw config.error(prefix + flag, "is not supported")
    }
    guard config.has(prefix + "lora_alpha") else { return 1 }
    var value = try config.double(prefix + "lora_alpha")
    if case .object(let patterns)? = config[prefix + "alpha_pattern"] {
      let own = ConfigFile(path: "\(config.path): \(prefix)alpha_pattern", values: patterns)
      // peft's patterns are the ends of names; diffusers writes whole names behind a ^.
      let matching = patterns.keys.sorted().first { pattern in
        let name = pattern.hasPrefix("^") ? String(pattern.dropFirst()) : pattern
        return layer == name || layer.hasSuffix("." + name)
      }
      if let matching { value = try own.double(matching) }
    }
    let isStabilised = try config.bool(prefix + "use_rslora", default: false)
    return Float(value / (isStabilised ? Double(rank).squareRoot() : Double(rank)))
  }
}

extension LoRA: StoredAdapter {
  /// diffusers' `lora_adapter_metadata`: peft's settings, each with the model's name in front.
  func metadata() throws -> [String: String] {
    var settings: [String: JSON] = [:]
    let byComponent = Dictionary(grouping: layers) { $0.module.prefix { $0 != "." } }
    for (component, layers) in byComponent {
      let names = layers.map { String($0.module.dropFirst(component.count + 1)) }
      let alphas = layers.map { Double($0.scale) * Double($0.rank) }
      settings["\(component).peft_type"] = .string("LORA")
      settings["\(component).r"] = .int(layers[0].rank)
      settings["\(component).lora_alpha"] = .double(alphas[0])
      settings["\(component).target_modules"] = .array(names.map { .string($0) })
      var ranks: [String: JSON] = [:]
      var others: [String: JSON] = [:]
      for (layer, (name, alpha)) in zip(layers, zip(names, alphas)) {
        if layer.rank != layers[0].rank { ranks["^" + name] = .int(layer.rank) }
        if alpha != alphas[0] { others["^" + name] = .double(alpha) }
      }
      settings["\(component).rank_pattern"] = .object(ranks)
      settings["\(component).alpha_pattern"] = .object(others)
    }
    return [LoRAScales.metadataKey: try JSON.object(settings).text()]
  }
}

extension JSON {
  /// The value as text with sorted keys.
  func text() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}

extension ConfigFile {
  /// Settings in a text of JSON; `path` is what messages call it.
  init(path: String, text: String) throws {
    let json: JSON
    do { json = try JSON(parsing: text) } catch let error as DataError { throw error.at(path) }
    guard case .object(let values) = json else {
      throw DataError("\(path): a JSON object expected, not \(json.kind)")
    }
    self.init(path: path, values: values)
  }
}
