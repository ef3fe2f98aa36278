import Foundation
import GraphIR
import ONNXWire

/// A hook as the command line names it: `NAME` or `NAME:key=value,key=value`.
public struct HookSpec: Sendable {
  public let name: String
  public let options: [(key: String, value: String)]

  /// One hook that the programs know.
  public struct Known: Sendable {
    public let name: String
    public let summary: String
    public let options: [(key: String, help: String)]
  }

  /// Every hook of the command line, with its options.
  public static let known: [Known] = [
    Known(
      name: "attn-score",
      summary: "the matching score of images and captions, from cross-attention and noise error",
      options: [
        ("layers", "official, all or patterns joined by '+' (as --layers)"),
        ("pooling", "logsumexp, max, mean, cosine or mass (as --pooling)"),
        ("positions", "all or content (as --positions)"),
        ("normalize", "none, empty-caption, noise or images (as --normalize)"),
      ]),
    Known(
      name: "attn-map", summary: "heat-maps of where in an image each word of a caption draws attention",
      options: [
        ("out", "a folder for pictures and .npy files (required)"),
        ("layers", "official, all or patterns joined by '+' (as --layers; default all)"),
        ("positions", "all, or content: probabilities shared by the caption's own tokens only"),
        ("relative", "none, words (less the words' mean) or empty-caption (less the empty caption's)"),
        ("scale", "colours for each word by itself (word) or the same for all (sheet)"),
        ("png", "sheet, words (one picture a word) or both"),
        ("size", "the longer side of a panel in pixels, 64 to 2048 (default 256)"),
      ]),
    Known(
      name: "capture", summary: "keep intermediate values of a run",
      options: [
        ("match", "pattern over names of nodes or values, such as 'unet/mid_block/*' (default: all)"),
        ("op", "only nodes of this operator, such as Softmax"),
        ("form", "of attention nodes: logsumexp, scores or probabilities"),
        ("out", "a folder for .npy files, or one FILE.safetensors (required)"),
      ]),
    Known(
      name: "replace", summary: "put a value from a file in the place of a computed one",
      options: [
        ("value", "the value's name (required with a .npy file)"),
        ("from", "FILE.npy, or FILE.safetensors whose keys are names of values (required)"),
      ]),
  ]

  /// - Throws: `UsageError` for an unknown hook or option.
  public init(_ text: String) throws {
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    name = String(parts[0])
    guard let known = HookSpec.known.first(where: { [name] in $0.name == name }) else {
      let names = HookSpec.known.map(\.name).joined(separator: ", ")
      throw UsageError("--hook: there is no hook '\(name)'; there are \(names) (--hook list tells more)")
    }
    var options: [(String, String)] = []
    if parts.count > 1 {
      for item in parts[1].split(separator: ",") {
        let pair = item.split(separator: "=", maxSplits: 1).map(String.init)
        guard pair.count == 2 else {
          throw UsageError("--hook \(name): '\(item)' is not key=value")
        }
        guard known.options.contains(where: { $0.key == pair[0] }) else {
          let keys = known.options.map(\.key).joined(separator: ", ")
          throw UsageError("--hook \(name): unknown option '\(pair[0])'; it has \(keys)")
        }
        guard !options.contains(where: { $0.0 == pair[0] }) else {
          throw UsageError("--hook \(name): the option '\(pair[0])' is given twice")
        }
        options.append((pair[0], pair[1]))
      }
    }
    self.options = options
  }

  public subscript(key: String) -> String? { options.first { $0.key == key }?.value }

  func required(_ key: String) throws -> String {
    guard let value = self[key] else { throw UsageError("--hook \(name): the option '\(key)=…' is missing") }
    return value
  }

  /// The capture hook of this specification.
  /// - Throws: `DataError` when its files could not be written.
  public func makeCapture() throws -> Capture {
    let out = try required("out")
    var form: ValueForm?
    if let text = self["form"] {
      form = ValueForm(rawValue: text)
      guard [.logSumExp, .scores, .probabilities].contains(form!) else {
        throw UsageError("--hook capture: form is logsumexp, scores or probabilities, not '\(text)'")
      }
    }
    if out.hasSuffix(".safetensors") { try OutputCheck.file(out) } else { try OutputCheck.folder(out) }
    return Capture(match: self["match"].map { Glob($0) }, op: self["op"], form: form, out: out)
  }

  /// The attn-map hook of this specification, and where its maps go.
  /// - Parameter layers: the layers when the hook does not tell.
  /// - Throws: `DataError` when its files could not be written.
  public func makeAttentionMap(
    layers: LayerSelection = .all
  ) throws -> (hook: AttentionMap, files: WordMapFiles) {
    var files = WordMapFiles(folder: try required("out"))
    files.pictures = try choice("png") ?? .sheet
    files.scale = try choice("scale") ?? .word
    if let text = self["size"] {
      guard let size = Int(text), (64...2048).contains(size) else {
        throw UsageError("--hook \(name): size is a number from 64 to 2048, not '\(text)'")
      }
      files.size = size
    }
    let hook = AttentionMap(
      selection: self["layers"].map { LayerSelection($0.replacing("+", with: ",")) } ?? layers,
      positions: try choice("positions") ?? .all, relative: try choice("relative") ?? .none)
    try OutputCheck.folder(files.folder)
    return (hook, files)
  }

  /// An option that is one of several words; nil when it is not given.
  public func choice<T: RawRepresentable & CaseIterable>(
    _ key: String
  ) throws -> T? where T.RawValue == String {
    guard let text = self[key] else { return nil }
    guard let value = T(rawValue: text) else {
      let names = T.allCases.map(\.rawValue).joined(separator: ", ")
      throw UsageError("--hook \(name): \(key) is one of \(names), not '\(text)'")
    }
    return value
  }

  /// The replace hook of this specification.
  public func makeReplace() throws -> Replace {
    let from = try required("from")
    if from.hasSuffix(".safetensors") {
      let file = try SafetensorsFile(path: from)
      let keys = self["value"].map { [$0] } ?? file.keys
      return Replace(try Dictionary(uniqueKeysWithValues: keys.map { ($0, try file.tensor($0)) }))
    }
    return Replace([try required("value"): try NPYFile.read(path: from)])
  }

  /// Text of `--hook list`.
  public static var listing: String {
    known.map { hook in
      "\(hook.name): \(hook.summary)\n"
        + hook.options.map { "    \($0.key)=…  \($0.help)" }.joined(separator: "\n")
    }.joined(separator: "\n")
  }
}

/// Wrong use of a program: exit code 64.
public struct UsageError: Error, CustomStringConvertible {
  public let description: String
  public init(_ message: String) { description = message }
}
