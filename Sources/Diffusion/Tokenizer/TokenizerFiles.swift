import Foundation
import TensorCore

/// The contents of a checkpoint's `tokenizer` folder.
struct TokenizerFiles {
  /// The file with the vocabulary and the one with the merges, for messages.
  let path: String
  let mergesPath: String
  let configPath: String
  /// Ids by token.
  let vocabulary: [String: Int]
  /// Pairs to merge, the first one first.
  let merges: [(left: String, right: String)]
  let maximumLength: Int
  /// Tokens listed as added, by id.
  let addedTokens: [AddedToken]
  /// `bos_token`, `eos_token`, `unk_token`, `pad_token`, as far as the files name them.
  let roles: [String: AddedToken]

  /// CLIP's context length, for files that give none.
  private static let defaultLength = 77

  init(folder: String) throws {
    func path(_ name: String) -> String { folder + "/" + name }
    func optional(_ name: String) throws -> ConfigFile? {
      FileManager.default.fileExists(atPath: path(name)) ? try ConfigFile(path: path(name)) : nil
    }
    let whole = try optional("tokenizer.json")
    if let whole {
      self.path = whole.path
      mergesPath = whole.path
      let model = try whole.object("model")
      vocabulary = try TokenizerFiles.vocabulary(try model.object("vocab"))
      merges = try TokenizerFiles.merges(model)
    } else {
      self.path = path("vocab.json")
      mergesPath = path("merges.txt")
      vocabulary = try TokenizerFiles.vocabulary(try ConfigFile(path: self.path))
      merges = try TokenizerFiles.merges(text: mergesPath)
    }
    configPath = path("tokenizer_config.json")
    let config = try optional("tokenizer_config.json") ?? ConfigFile(path: configPath, values: [:])
    maximumLength = try TokenizerFiles.length(config)

    var roles = try TokenizerFiles.roles(config)
    var added: [(id: Int, token: AddedToken)] = []
    if config.has("added_tokens_decoder") {
      let listed = try config.object("added_tokens_decoder")
      for (key, json) in listed.values {
        guard let id = Int(key) else { throw listed.error(key, "an id expected") }
        added.append((id, try AddedToken(json, key, in: listed)))
      }
    } else {
      // Older folders: the map goes over the configuration.
      if let map = try optional("special_tokens_map.json") {
        roles.merge(try TokenizerFiles.roles(map)) { _, new in new }
      }
      if case .array(let listed)? = whole?["added_tokens"], let whole {
        for json in listed {
          let token = try AddedToken(json, "added_tokens", in: whole)
          added.append((vocabulary[token.content] ?? Int.max, token))
        }
      }
    }
    addedTokens = added.sorted { $0.id < $1.id }.map(\.token)
    // A role's token keeps the flags of its listing.
    let byContent = Dictionary(addedTokens.map { ($0.content, $0) }, uniquingKeysWith: { _, new in new })
    self.roles = roles.mapValues { byContent[$0.content] ?? $0 }
  }

  private static func vocabulary(_ file: ConfigFile) throws -> [String: Int] {
    let vocabulary = try file.values.mapValues { json -> Int in
      guard case .int(let id) = json, id >= 0, id <= Int32.max else {
        throw DataError("\(file.path): every token needs an id of 0 or more")
      }
      return id
    }
    guard !vocabulary.isEmpty else { throw DataError("\(file.path): an empty vocabulary") }
    return vocabulary
  }

  /// Merges inside `tokenizer.json`: "a b" or ["a", "b"].
  private static func merges(_ model: ConfigFile) throws -> [(left: String, right: String)] {
    guard case .array(let listed)? = model["merges"] else { throw model.error("merges", "a list expected") }
    return try listed.map { json in
      switch json {
      case .string(let text):
        let parts = text.split(separator: " ", omittingEmptySubsequences: false)
        if parts.count == 2 { return (String(parts[0]), String(parts[1])) }
      case .array(let parts):
        if parts.count == 2, case .string(let left) = parts[0], case .string(let right) = parts[1] {
          return (left, right)
        }
      default: break
      }
      throw model.error("merges", "pairs of tokens expected")
    }
  }

  /// `merges.txt`: after a line that starts with `#version`, one pair a line.
  private static func merges(text path: String) throws -> [(left: String, right: String)] {
    let text = try MappedFile.withBytes(of: path) { bytes in
      guard let text = String(validating: bytes, as: UTF8.self) else { throw DataError("not a UTF-8 text") }
      return text
    }
    var merges: [(left: String, right: String)] = []
    let lines = text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false)
    for (index, line) in lines.enumerated() {
      let line = line.last == 0x0D ? line.dropLast() : line
      if line.isEmpty || line.starts(with: "#version".utf8) { continue }
      let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
      guard parts.count == 2 else {
        throw DataError("\(path): line \(index + 1): two tokens with a space between them expected")
      }
      merges.append((String(Substring(parts[0])), String(Substring(parts[1]))))
    }
    return merges
  }

  private static func roles(_ config: ConfigFile) throws -> [String: AddedToken] {
    var roles: [String: AddedToken] = [:]
    for role in ["bos_token", "eos_token", "unk_token", "pad_token"] {
      if let json = config[role] { roles[role] = try AddedToken(json, role, in: config) }
    }
    return roles
  }

  /// `model_max_length`; a huge one stands for "none given".
  private static func length(_ config: ConfigFile) throws -> Int {
    let length = try config.double("model_max_length", default: Double(defaultLength))
    if length > Double(CLIPTokenizer.maximumCharacters) { return defaultLength }
    guard length >= 2, let result = Int(exactly: length) else {
      throw config.error("model_max_length", "an integer of 2 or more expected")
    }
    return result
  }
}
