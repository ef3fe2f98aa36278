import ONNXWire
import TensorCore

/// Tokens that are looked for in a caption before words are, and the four that have a role.
struct SpecialTokens: Sendable {
  struct Token: Sendable, Equatable {
    let content: String
    let id: Int
    /// Whether it is looked for in the normalised text instead of the raw one.
    let isNormalized: Bool
    fileprivate let scalars: [Unicode.Scalar]
  }

  let tokens: [Token]
  let beginningID, endID, paddingID: Int
  /// The id is nil when the vocabulary lacks the token.
  let unknown: (content: String, id: Int?)

  /// Collects them as transformers does: those listed as added, then those with a role. Of two with the same
  /// text the later one counts; one that the vocabulary lacks gets the next free id.
  init(_ files: TokenizerFiles) throws {
    let vocabulary = files.vocabulary
    let roles = ["bos_token", "eos_token", "unk_token", "pad_token"].map { role in
      (role: role, token: files.roles[role] ?? AddedToken.standard(role))
    }
    var listed = files.addedTokens
    for (_, token) in roles where !files.addedTokens.contains(where: { $0.content == token.content }) {
      if !listed.contains(token) { listed.append(token) }
    }
    var free = max(vocabulary.count, 1 + (vocabulary.values.max() ?? -1))
    var byContent: [String: Token] = [:]
    var order: [String] = []
    for token in listed where !token.content.isEmpty {
      var id = byContent[token.content]?.id ?? vocabulary[token.content]
      if id == nil {
        id = free
        free += 1
      }
      if byContent[token.content] == nil { order.append(token.content) }
      let raw = Array(token.content.unicodeScalars)
      byContent[token.content] = Token(
        content: token.content, id: id!, isNormalized: token.isNormalized,
        scalars: token.isNormalized ? TextNormalizer.normalized(raw[...]) : raw)
    }
    tokens = order.map { byContent[$0]! }
    func id(_ role: Int) throws -> Int {
      let content = roles[role].token.content
      guard let id = byContent[content]?.id else {
        throw DataError("\(files.configPath): \(roles[role].role): an empty token")
      }
      return id
    }
    beginningID = try id(0)
    endID = try id(1)
    paddingID = try id(3)
    unknown = (roles[2].token.content, vocabulary[roles[2].token.content])
  }

  /// Calls `body` with the parts of a text in order: a special token with itself, what lies between them
  /// with nil. The leftmost match counts, of several there the longest.
  func split(
    _ text: ArraySlice<Unicode.Scalar>, normalized: Bool,
    _ body: (ArraySlice<Unicode.Scalar>, Token?) -> Void
  ) {
    let wanted = tokens.filter { $0.isNormalized == normalized && !$0.scalars.isEmpty }
    let firsts = Set(wanted.map { $0.scalars[0] })
    var start = text.startIndex
    var position = start
    while position < text.endIndex {
      let match =
        firsts.contains(text[position])
        ? wanted.filter { text[position...].starts(with: $0.scalars) }
          .max { $0.scalars.count < $1.scalars.count } : nil
      guard let match else {
        position += 1
        continue
      }
      if start < position { body(text[start..<position], nil) }
      let end = position + match.scalars.count
      body(text[position..<end], match)
      start = end
      position = end
    }
    if start < text.endIndex { body(text[start...], nil) }
  }
}

/// A token as tokenizer files describe it.
struct AddedToken: Sendable, Equatable {
  let content: String
  let isNormalized: Bool

  /// What `CLIPTokenizer` takes for a role that no file names.
  static func standard(_ role: String) -> AddedToken {
    AddedToken(
      content: role == "bos_token" ? "<|startoftext|>" : "<|endoftext|>", isNormalized: false)
  }

  /// A string, or an object with `content` and flags. A string's token is a special one, which is looked for
  /// in the raw text; an object's is not unless it says so.
  init(_ json: JSON, _ key: String, in config: ConfigFile) throws {
    switch json {
    case .string(let text):
      self.init(content: text, isNormalized: false)
    case .object(let values):
      let object = ConfigFile(path: "\(config.path): \(key)", values: values)
      for flag in ["lstrip", "rstrip", "single_word"] where try object.bool(flag, default: false) {
        throw object.error(flag, "is not supported")
      }
      let isSpecial = try object.bool("special", default: false)
      self.init(
        content: try object.string("content"),
        isNormalized: try object.bool("normalized", default: !isSpecial))
    default:
      throw config.error(key, "a token as a string or an object expected, not \(json.kind)")
    }
  }

  private init(content: String, isNormalized: Bool) {
    self.content = content
    self.isNormalized = isNormalized
  }
}
