/// The keys under which a parameter may be stored, besides its canonical one.
///
/// Canonical keys are those that diffusers writes today for the UNet and the VAE, and those of published
/// text encoders, which begin with `text_model.`.
enum ParameterNames {
  /// Names of the VAE's attention before diffusers 0.18, by today's.
  private static let oldAttention = [
    "to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn",
  ]

  /// Keys to try in order, the canonical one first.
  static func candidates(_ key: String) -> [String] {
    var result = [key]
    if let attention = key.firstRange(of: ".attentions.0.") {
      let rest = key[attention.upperBound...]
      for (new, old) in oldAttention where rest.hasPrefix(new + ".") {
        result.append(key[..<attention.upperBound] + old + rest.dropFirst(new.count))
      }
    }
    // Newer versions of transformers drop the prefix.
    if key.hasPrefix("text_model.") { result.append(String(key.dropFirst("text_model.".count))) }
    return result
  }
}

extension String {
  /// The first place where `text` stands, without Foundation.
  fileprivate func firstRange(of text: String) -> Range<String.Index>? { ranges(of: text).first }
}
