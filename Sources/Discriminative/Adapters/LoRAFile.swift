import Diffusion
import Foundation
import ONNXWire
import Rewrites

/// The layers of a LoRA file, whoever wrote it.
///
/// Known are the keys that diffusers and peft write (`unet.….to_q.lora_A.weight`), those of diffusers before it used
/// peft (`unet.….processor.to_q_lora.down.weight`, `….lora_linear_layer.down.weight`), and those of kohya's scripts
/// (`lora_unet_…_to_q.lora_down.weight` beside `….alpha`).
struct LoRAFile {
  /// In the file's order.
  let layers: [LoRA.Layer]
  /// The factors as float32, by the keys that `LoRA` gives them.
  let tensors: [String: Tensor]

  /// - Parameter modules: names of the graph's linear layers.
  /// - Throws: `DataError` that names the key at fault.
  init(_ file: SafetensorsFile, modules: some Collection<String>) throws {
    let components = Set(modules.compactMap { $0.split(separator: ".").first.map(String.init) })
    let flat = Dictionary(
      modules.map { (LoRAKey.kohyaName(of: $0), $0) }, uniquingKeysWith: { first, _ in first })
    var factors: [String: [LoRAKey.Part: Tensor]] = [:]
    var order: [String] = []
    for name in file.keys {
      guard let key = LoRAKey(name) else { throw DataError("the tensor '\(name)' is not one that LoRA has") }
      guard let module = key.module(components: components, kohya: flat) else {
        throw DataError("'\(name)': the graph has no linear layer of that name")
      }
      if factors[module] == nil { order.append(module) }
      let value = key.part == .alpha ? try file.tensor(name).converted(to: .float32) : try file.floats(name)
      if factors[module, default: [:]].updateValue(value, forKey: key.part) != nil {
        throw DataError("'\(name)': a second tensor for '\(module)'")
      }
    }
    let scales = try LoRAScales(file)
    var layers: [LoRA.Layer] = []
    var tensors: [String: Tensor] = [:]
    for module in order {
      guard let a = factors[module]?[.down].flatMap(LoRAFile.matrix),
        let b = factors[module]?[.up].flatMap(LoRAFile.matrix)
      else { throw DataError("'\(module)' has no pair of matrices") }
      guard a.shape[0] > 0, b.shape[1] == a.shape[0] else {
        throw DataError("'\(module)': the ranks of \(Shape.text(a.shape)) and \(Shape.text(b.shape)) differ")
      }
      let alpha = try factors[module]?[.alpha].map { try LoRAFile.number($0, module) }
      layers.append(
        LoRA.Layer(
          module: module, rank: a.shape[0],
          scale: try scales.scale(of: module, rank: a.shape[0], alpha: alpha)))
      tensors["\(module).lora_A.weight"] = a
      tensors["\(module).lora_B.weight"] = b
    }
    self.layers = layers
    self.tensors = tensors
  }

  /// A matrix, also where it is stored as a 1×1 convolution's weight.
  private static func matrix(_ tensor: Tensor) -> Tensor? {
    guard tensor.rank == 2 || tensor.rank == 4 && tensor.shape[2] == 1 && tensor.shape[3] == 1 else {
      return nil
    }
    return tensor.reshaped(Array(tensor.shape.prefix(2)))
  }

  private static func number(_ tensor: Tensor, _ module: String) throws -> Double {
    guard tensor.count == 1 else {
      throw DataError("'\(module)': alpha is \(Shape.text(tensor.shape)), not a number")
    }
    return Double(tensor.array(of: Float.self)[0])
  }
}

/// A tensor's name in a LoRA file, taken apart.
struct LoRAKey {
  enum Part { case down, up, alpha }

  let part: Part
  /// The layer as the file writes it.
  let layer: String

  init?(_ name: String) {
    let name = name.hasPrefix("base_model.model.") ? String(name.dropFirst("base_model.model.".count)) : name
    let endings: [(String, Part)] = [
      (".lora_A.weight", .down), (".lora_B.weight", .up), ("_lora.down.weight", .down),
      ("_lora.up.weight", .up), (".lora.down.weight", .down), (".lora.up.weight", .up),
      (".lora_linear_layer.down.weight", .down), (".lora_linear_layer.up.weight", .up),
      (".lora_down.weight", .down), (".lora_up.weight", .up), (".alpha", .alpha),
    ]
    guard let (ending, part) = endings.first(where: { name.hasSuffix($0.0) }) else { return nil }
    self.part = part
    layer = String(name.dropLast(ending.count))
  }

  /// The name of the graph's layer; nil where there is none.
  /// - Parameters:
  ///   - components: the models that the graph has, such as `unet`.
  ///   - kohya: the graph's layers by the names that kohya's scripts have for them.
  func module(components: Set<String>, kohya: [String: String]) -> String? {
    for (own, other) in [("lora_unet_", "lora_unet_"), ("lora_te_", "lora_te1_"), ("lora_te1_", "lora_te1_")]
    {
      if layer.hasPrefix(own) { return kohya[other + layer.dropFirst(own.count)] }
    }
    if layer.hasPrefix("lora_te2_") { return kohya[layer] }
    // The attention processors of old had their layers' names with an underscore for the last dot.
    let path = layer.replacing(".processor.", with: ".").replacing(/\.to_out$/, with: ".to_out.0")
    let first = path.split(separator: ".").first.map(String.init) ?? ""
    return components.contains(first) ? path : "unet.\(path)"
  }

  /// The name that kohya's scripts have for a layer.
  static func kohyaName(of module: String) -> String {
    let parts = module.split(separator: ".", maxSplits: 1).map(String.init)
    let models = ["unet": "unet", "text_encoder": "te1", "text_encoder_2": "te2"]
    return "lora_\(models[parts[0]] ?? parts[0])_\((parts.last ?? "").replacing(".", with: "_"))"
  }
}
