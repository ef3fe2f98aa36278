extension Node {
  /// The scopes that the node is in, outermost first: the parts of its name before the last `/`, or the modules that
  /// torch's exporter noted in its metadata.
  ///
  /// `["unet", "mid_block"]` for a node `unet/mid_block/conv1`, and for one with the scopes
  /// `['', 'unet', 'unet.mid_block', 'conv1']`.
  public var scope: [String] {
    let parts = name.split(separator: "/").dropLast()
    if !parts.isEmpty { return parts.map(String.init) }
    return Node.modules(metadata["pkg.torch.onnx.name_scopes"] ?? "")
  }

  /// The modules of a list of quoted names, each of which begins with the one before it; the last is the operator's.
  private static func modules(_ list: String) -> [String] {
    var outer: Substring = ""
    // Between quotes stands every second piece.
    let quoted = list.split(separator: "'", omittingEmptySubsequences: false).enumerated()
      .filter { $0.offset % 2 == 1 }.map(\.element)
    return quoted.dropLast().compactMap { name in
      guard !name.isEmpty else { return nil }
      defer { outer = name }
      let isInside = !outer.isEmpty && name.hasPrefix(outer + ".")
      return String(isInside ? name.dropFirst(outer.count + 1) : name)
    }
  }
}
