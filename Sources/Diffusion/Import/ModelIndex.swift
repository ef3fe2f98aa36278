import TensorCore

/// A checkpoint's `model_index.json`: which components it has, and of which class.
struct ModelIndex {
  private let config: ConfigFile

  init(_ folder: String) throws { config = try ConfigFile(path: "\(folder)/model_index.json") }

  /// The class of a component, or nil when the pipeline has none.
  func className(_ component: String) throws -> String? {
    guard config.has(component) else { return nil }
    guard case .array(let pair)? = config[component], pair.count == 2 else {
      throw config.error(component, "a pair of library and class expected")
    }
    switch pair[1] {
    case .string(let name): return name
    case .null: return nil
    default: throw config.error(component, "a pair of library and class expected")
    }
  }

  /// SDXL's `force_zeros_for_empty_prompt`, where the file has it.
  func forcesZerosForEmptyPrompt() throws -> Bool? {
    let key = "force_zeros_for_empty_prompt"
    return config.has(key) ? try config.bool(key) : nil
  }

  /// The class of a component that must be there and be one of the known ones.
  func className(_ component: String, oneOf known: [String]) throws -> String {
    guard let name = try className(component) else {
      let pipeline = try config.string("_class_name", default: "this pipeline")
      throw config.error(component, "\(pipeline) has none, so it cannot be imported")
    }
    guard known.contains(name) else {
      throw config.error(
        component, "“\(name)” is not supported (known: \(known.joined(separator: ", ")))")
    }
    return name
  }
}
