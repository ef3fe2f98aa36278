import Rewrites

/// An adapter as a command line says it: `prompt-tokens:8`, `prompt-tokens:4,classes=dog+cat`,
/// `kv-tokens:4`, `lora:4,targets=q+v,layers=both`.
public struct AdapterSpec: Sendable {
  public let adapter: any Adapter

  /// Names and options, for help texts.
  public static let forms =
    "prompt-tokens:N[,classes=A+B+…], kv-tokens:N, lora:RANK[,alpha=A][,targets=q+k+v+out][,layers=cross|self|both]"

  /// - Throws: `UsageError` for anything else.
  public init(_ text: String) throws {
    let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
    let pieces = (parts.count > 1 ? parts[1] : "").split(separator: ",").map(String.init)
    guard parts.count == 2, let number = pieces.first.flatMap({ Int($0) }), (1...65536).contains(number)
    else {
      throw UsageError("'\(text)' is none of \(AdapterSpec.forms)")
    }
    let options = try AdapterSpec.options(pieces.dropFirst(), of: parts[0])
    switch parts[0] {
    case "prompt-tokens":
      // Captions that name no class, such as the empty one, have vectors of their own.
      let classes = options["classes"].map { [""] + $0.split(separator: "+").map(String.init) }
      adapter = PromptTokens(count: number, classes: classes ?? [])
    case "kv-tokens": adapter = KeyValueTokens(count: number)
    case "lora": adapter = try AdapterSpec.lora(number, options)
    default: throw UsageError("'\(text)' is none of \(AdapterSpec.forms)")
    }
  }

  private static func options(_ pieces: some Collection<String>, of name: String) throws -> [String: String] {
    let known = ["lora": ["alpha", "targets", "layers"], "prompt-tokens": ["classes"]][name] ?? []
    var options: [String: String] = [:]
    for piece in pieces {
      let pair = piece.split(separator: "=", maxSplits: 1).map(String.init)
      guard pair.count == 2, known.contains(pair[0]), options.updateValue(pair[1], forKey: pair[0]) == nil
      else {
        throw UsageError("\(name): '\(piece)' is no option, or given twice; there are \(AdapterSpec.forms)")
      }
    }
    return options
  }

  private static func lora(_ rank: Int, _ options: [String: String]) throws -> LoRA {
    var alpha: Float?
    if let text = options["alpha"] {
      guard let value = Float(text), value.isFinite else {
        throw UsageError("lora: alpha=\(text) is no number")
      }
      alpha = value
    }
    var projections = Set(LoRA.Projection.allCases)
    if let text = options["targets"] {
      let chosen = text.split(separator: "+").map { LoRA.Projection(rawValue: String($0)) }
      guard !chosen.isEmpty, !chosen.contains(nil) else {
        throw UsageError("lora: targets=\(text) is not made of q, k, v and out")
      }
      projections = Set(chosen.compactMap { $0 })
    }
    let roles: Set<AttentionLayer.Role>
    switch options["layers"] ?? "cross" {
    case "cross": roles = [.cross]
    case "self": roles = [.selfAttention]
    case "both": roles = [.cross, .selfAttention]
    case let text: throw UsageError("lora: layers=\(text) is none of cross, self and both")
    }
    return LoRA(rank: rank, alpha: alpha, projections: projections, of: roles)
  }
}
