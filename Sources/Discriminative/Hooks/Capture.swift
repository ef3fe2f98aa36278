import Foundation
import GraphIR
import Interpreter
import ONNXWire

/// Keeps values of a run in files: every output of the nodes whose name, output or operator matches.
///
/// With `out=FOLDER` each value becomes `FOLDER/NAME.npy` (`/` becomes `.`), with `out=FILE.safetensors` all
/// go into one file. In a sweep the position is part of the name. A value that a sweep computes again takes the
/// place of the one before.
public final class Capture: Hook {
  public let name = "capture"
  public let view: HookView
  let match: Glob?
  let op: String?
  let form: ValueForm?
  /// Nothing is written when nil; the values are in `values`.
  let out: String?
  /// What was captured last under each name, in the order in which the names came first.
  public private(set) var values: [(name: String, tensor: Tensor)] = []
  private var positions: [String: Int] = [:]
  private var selectsAny = false
  /// The value that each file will hold.
  private var files: [String: String] = [:]
  private var hasFolder = false
  /// Bytes kept in memory at most before writing into one file.
  private static let limit = 16 << 30
  private var bytes = 0

  /// - Parameters:
  ///   - match: names of values or nodes; all when nil.
  ///   - op: only nodes of this operator.
  ///   - form: a derived form (`logsumexp`, `scores`, `probabilities`) of attention nodes instead of outputs.
  public init(match: Glob?, op: String? = nil, form: ValueForm? = nil, out: String? = nil) {
    self.match = match
    self.op = op
    self.form = form
    self.out = out
    view = form == nil ? .source : .canonical
  }

  public func selects(_ node: Node, in context: HookContext) throws -> Demand? {
    if let op, node.op != op { return nil }
    if let form {
      guard node.op == "Attention", match?.matches(node.name) ?? true else { return nil }
      try claim("\(node.name)/\(form.rawValue)")
      return Demand(forms: [form])
    }
    let all = match?.matches(node.name) ?? true
    let outputs = node.outputs.indices.filter { position in
      !node.outputs[position].isEmpty && (all || match!.matches(node.outputs[position]))
    }
    guard !outputs.isEmpty else { return nil }
    for position in outputs { try claim(node.outputs[position]) }
    return Demand(outputs: Array(outputs))
  }

  /// Notes that the value will be captured.
  private func claim(_ value: String) throws {
    selectsAny = true
    guard let out, !out.hasSuffix(".safetensors") else { return }
    let file = Capture.fileName(value)
    if let other = files.updateValue(value, forKey: file), other != value {
      throw DataError(
        "--hook capture: '\(other)' and '\(value)' would both be \(file).npy; use out=FILE.safetensors")
    }
  }

  /// Call it when the run has been planned.
  /// - Throws: `DataError` when there is nothing to capture.
  public func checkSelection() throws {
    guard !selectsAny else { return }
    let wanted = [match.map { "match=\($0)" }, op.map { "op=\($0)" }, form.map { "form=\($0.rawValue)" }]
    let text = wanted.compactMap { $0 }.joined(separator: ",")
    throw DataError("hook capture: nothing that runs matches '\(text)' (dsd inspect --nodes shows names)")
  }

  public func didRun(_ node: Node, _ values: inout [Tensor], at position: SweepPosition) throws {
    let names: [String]
    if let form {
      names = ["\(node.name)/\(form.rawValue)"]
    } else {
      let all = match?.matches(node.name) ?? true
      names = node.outputs.filter { !$0.isEmpty && (all || match!.matches($0)) }
    }
    let suffix = position.indices.sorted { $0.key.rawValue < $1.key.rawValue }
      .map { "@\($0.key.rawValue)\($0.value)" }.joined()
    for (name, value) in zip(names, values) {
      if let out, !out.hasSuffix(".safetensors") {
        try write(value, name + suffix, into: out)
      } else {
        try keep(value, name + suffix)
      }
    }
  }

  private func keep(_ value: Tensor, _ name: String) throws {
    let known = positions[name]
    bytes += value.byteCount - (known.map { values[$0].tensor.byteCount } ?? 0)
    guard bytes <= Capture.limit else {
      throw DataError("hook capture: more than 16 GB captured; capture into a folder or match less")
    }
    if let known {
      values[known].tensor = value.copy()
    } else {
      positions[name] = values.count
      values.append((name, value.copy()))
    }
  }

  private func write(_ value: Tensor, _ name: String, into folder: String) throws {
    if !hasFolder {
      do {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      } catch {
        throw DataError("--hook capture: cannot make the folder \(folder)")
      }
      hasFolder = true
    }
    try NPYFile.write(value, to: "\(folder)/\(Capture.fileName(name)).npy")
  }

  /// Writes what is gathered for one file. Call it after the run.
  public func finish() throws {
    guard let out, out.hasSuffix(".safetensors") else { return }
    try SafetensorsWriter.write(values.map { ($0.name, $0.tensor) }, to: out)
  }

  /// A value's name as a file name.
  static func fileName(_ name: String) -> String {
    let mapped = name.map { $0 == "/" || $0 == "\0" ? "." : $0 }
    return String(String(mapped).drop { $0 == "." })
  }
}
