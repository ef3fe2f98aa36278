import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// The safetensors files of one component's folder, and how well each fits the graph's tensors.
struct ComponentFiles {
  let folder: String
  let component: String
  let wanted: [WeightBinder.Wanted]

  /// What one file, or set of files, has for the graph.
  struct Match {
    var found: [String: Initializer] = [:]
    var missing: [String] = []
    var mismatched: [String] = []
    var unused: [String] = []
    /// Tensors stored in another float type.
    var converted = 0
    var fits: Bool { missing.isEmpty && mismatched.isEmpty }
  }

  /// The first candidate in which everything fits as it is, or after conversion, or else the first of all,
  /// with what is wrong.
  func best() throws -> Match {
    var first: Match?
    var convertible: Match?
    for names in candidates() {
      let match = try match(names.map { try SafetensorsIndex(path: "\(place)/\($0)") })
      if match.fits && match.converted == 0 { return match }
      if match.fits && convertible == nil { convertible = match }
      if first == nil { first = match }
    }
    if let found = convertible ?? first { return found }
    var nothing = Match()
    nothing.missing = wanted.map(\.name)
    return nothing
  }

  private var place: String { component.isEmpty ? folder : "\(folder)/\(component)" }

  /// Sets of files in the order in which they are tried: those that the graph names; single files, variants
  /// such as `.fp16.` last; sharded ones.
  private func candidates() -> [[String]] {
    var names: [[String]] = []
    let own = Set(wanted.map(\.file)).sorted()
    let isThere = own.allSatisfy { $0.hasSuffix(".safetensors") && access("\(place)/\($0)", R_OK) == 0 }
    if isThere { names.append(own) }
    let listed = ComponentFiles.contents(of: place).sorted {
      (ComponentFiles.rank($0), $0) < (ComponentFiles.rank($1), $1)
    }
    names += listed.filter { $0.hasSuffix(".safetensors") && !ComponentFiles.isShard($0) }.map { [$0] }
    return names + listed.filter(ComponentFiles.isIndex).map { [$0] }
  }

  private func match(_ catalogues: [SafetensorsIndex]) throws -> Match {
    var result = Match()
    var used: Set<String> = []
    for tensor in wanted {
      let keys = ComponentFiles.keys(of: tensor.name)
      guard
        let (catalogue, key) = keys.lazy.compactMap({ key in
          catalogues.first { $0.entries[key] != nil }.map { ($0, key) }
        }).first, let location = catalogue.entries[key]
      else {
        result.missing.append(tensor.name)
        continue
      }
      used.insert(key)
      let entry = location.entry
      let (dtype, shape) = (tensor.initializer.dtype, tensor.initializer.shape)
      // Another float type is converted where the graph uses it.
      guard entry.dtype == dtype || entry.dtype.isFloat && dtype.isFloat,
        ComponentFiles.core(entry.shape) == ComponentFiles.core(shape)
      else {
        result.mismatched.append(
          "\(tensor.name): \(entry.dtype)\(Shape.text(entry.shape)) there, "
            + "\(dtype)\(Shape.text(shape)) in the graph")
        continue
      }
      if entry.dtype != dtype { result.converted += 1 }
      let path = component.isEmpty ? location.file : "\(component)/\(location.file)"
      result.found[tensor.name] = Initializer(
        try catalogue.tensor(key).reshaped(shape),
        external: ExternalLocation(path: path, offset: entry.offset, length: entry.length))
    }
    let scope = component.isEmpty ? "" : component + "/"
    result.unused = catalogues.flatMap(\.keys).filter { !used.contains($0) }.map { scope + $0 }
    return result
  }

  // MARK: Names

  /// Keys under which a checkpoint may have a tensor: the name without its scope, the same with the older (or
  /// newer) names of the VAE's attention, and the whole name for graphs without scopes.
  static func keys(of name: String) -> [String] {
    var keys: [String] = []
    if let slash = name.firstIndex(of: "/") { keys.append(String(name[name.index(after: slash)...])) }
    keys.append(name)
    // Newer versions of transformers leave out the prefix of text encoders.
    keys += keys.filter { $0.hasPrefix("text_model.") }.map { String($0.dropFirst("text_model.".count)) }
    return keys + keys.compactMap(otherAttentionName)
  }

  private static func otherAttentionName(_ key: String) -> String? {
    guard key.contains("attentions.") else { return nil }
    let pairs = [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")]
    for (new, old) in pairs {
      for suffix in [".weight", ".bias"] {
        if key.hasSuffix(".\(new)\(suffix)") { return key.dropLast(new.count + suffix.count) + old + suffix }
        if key.hasSuffix(".\(old)\(suffix)") { return key.dropLast(old.count + suffix.count) + new + suffix }
      }
    }
    return nil
  }

  /// The shape without ones at its ends: a 1×1 convolution and a linear layer hold the same bytes.
  static func core(_ shape: [Int]) -> ArraySlice<Int> {
    var core = shape[...]
    while core.first == 1 { core.removeFirst() }
    while core.last == 1 { core.removeLast() }
    return core
  }

  /// Plain names first, then variants (`model.fp16.safetensors`) and parts that are seldom wanted.
  private static func rank(_ name: String) -> Int {
    let stem = name.dropLast(name.hasSuffix(".json") ? 23 : 12)
    if ["diffusion_pytorch_model", "model"].contains(stem) { return 0 }
    return stem.contains(".") || stem.contains("non_ema") ? 2 : 1
  }

  /// `NAME-00001-of-00002.safetensors`, which only its index makes sense of.
  /// `NAME.safetensors.index.json`, or with a variant `NAME.safetensors.index.fp16.json`.
  private static func isIndex(_ name: String) -> Bool {
    name.contains(".safetensors.index.") && name.hasSuffix(".json")
  }

  private static func isShard(_ name: String) -> Bool {
    let parts = name.dropLast(12).split(separator: "-")
    return parts.count >= 4 && parts[parts.count - 2] == "of" && Int(parts[parts.count - 1]) != nil
      && Int(parts[parts.count - 3]) != nil
  }

  private static func contents(of folder: String) -> [String] {
    guard let directory = opendir(folder) else { return [] }
    defer { closedir(directory) }
    var names: [String] = []
    while let entry = readdir(directory) {
      names.append(
        withUnsafePointer(to: &entry.pointee.d_name) { pointer in
          pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        })
    }
    return names
  }
}
