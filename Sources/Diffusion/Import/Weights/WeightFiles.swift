import ONNXWire
import TensorCore

/// Which files of a checkpoint hold a component's parameters.
public struct WeightFiles: Sendable {
  /// The component's folder relative to the checkpoint's, such as `unet`.
  public let component: String
  /// The name for messages, relative to the checkpoint: a safetensors file or the index of its shards.
  public let name: String
  public let index: SafetensorsIndex

  /// Finds and opens the weights of a component: one `.safetensors` file or shards with an index.
  ///
  /// - Parameters:
  ///   - folder: the checkpoint.
  ///   - variant: such as `fp16` for `model.fp16.safetensors`. Files without it serve where it is missing;
  ///     without a variant, the only one that is there serves where plain files are missing.
  /// - Throws: `DataError` that names the folder when there are none, and says how to convert pickles.
  public init(_ folder: String, component: String, variant: String? = nil) throws {
    let path = "\(folder)/\(component)"
    let files = try FolderListing.names(in: path)
    var names: [String] = []
    for stem in WeightFiles.stems {
      if let variant {
        names += ["\(stem).\(variant).safetensors", "\(stem).safetensors.index.\(variant).json"]
      }
    }
    for stem in WeightFiles.stems { names += ["\(stem).safetensors", "\(stem).safetensors.index.json"] }
    if variant == nil { names += WeightFiles.onlyVariant(files) }
    guard let found = names.first(where: { files.contains($0) }) else {
      throw WeightFiles.missing(folder, component, files, variant)
    }
    self.component = component
    name = "\(component)/\(found)"
    index = try SafetensorsIndex(path: "\(path)/\(found)")
  }

  /// Whether a variant was found rather than plain files.
  func isVariant(_ variant: String) -> Bool {
    name.hasSuffix(".\(variant).safetensors") || name.hasSuffix(".index.\(variant).json")
  }

  /// What diffusers calls the files of its models, and transformers those of its own.
  static let stems = ["diffusion_pytorch_model", "model"]

  /// The stem that a component's files have in a published checkpoint.
  static func canonicalName(component: String) -> String {
    "\(component)/\(component.hasPrefix("text_encoder") ? "model" : "diffusion_pytorch_model").safetensors"
  }

  /// The files of the one variant that is there, if it is one.
  private static func onlyVariant(_ files: Set<String>) -> [String] {
    var found: [String] = []
    for stem in stems {
      for file in files where file.hasPrefix(stem + ".") {
        let middle = file.dropFirst(stem.count + 1)
        // A shard's `-00001-of-00002` makes no variant.
        let isFile = middle.hasSuffix(".safetensors") && !middle.contains("-of-")
        if isFile || middle.hasPrefix("safetensors.index.") { found.append(file) }
      }
    }
    let known = found.filter { !$0.contains("non_ema") && !$0.contains("lora") }
    return known.count == 1 ? known : []
  }

  private static func missing(
    _ folder: String, _ component: String, _ files: Set<String>, _ variant: String?
  ) -> DataError {
    let pickles = files.filter { $0.hasSuffix(".bin") || $0.hasSuffix(".ckpt") || $0.hasSuffix(".pt") }
    if let pickle = pickles.min() {
      return DataError(
        "\(folder)/\(component): only \(pickle) is there, and pickles are not read; convert with: python -c "
          + "\"from diffusers import DiffusionPipeline as P; P.from_pretrained('\(folder)')"
          + ".save_pretrained('\(folder)-safetensors')\"")
    }
    let others = files.filter { $0.hasSuffix(".safetensors") }.sorted()
    if !others.isEmpty {
      return DataError(
        "\(folder)/\(component): no weights under the usual names, only \(others.joined(separator: ", ")) "
          + "(choose one with --variant)")
    }
    return DataError("\(folder)/\(component): no weights (diffusion_pytorch_model or model .safetensors)")
  }
}
