import Foundation
import GraphIR
import Interpreter
import ONNXWire

/// Keeps values of a run in files: every output of the nodes whose name, output or operator matches.
///
/// With `out=FOLDER` each value becomes `FOLDER/NAME.npy` (`/` becomes `.`), with `out=FILE.safetensors` all
/// go into one file. In a sweep the position is part of the name.
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
  private var count = 0
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
      return Demand(forms: [form])
    }
    let all = match?.matches(node.name) ?? true
    let outputs = node.outputs.indices.filter { position in
      !node.outputs[position].isEmpty && (all || match!.matches(node.outputs[position]))
    }
    return outputs.isEmpty ? nil : Demand(outputs: Array(outputs))
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
      count += 1
      if let out, !out.hasSuffix(".safetensors") {
        try NPYFile.write(value, to: "\(out)/\(Capture.fileName(name + suffix)).npy")
      } else {
        // A node that runs again gives the same name again.
        let key = name + suffix
        if let known = positions[key] {
          bytes -= self.values[known].tensor.byteCount
        } else {
          positions[key] = self.values.count
          self.values.append((key, value))
        }
        bytes += value.byteCount
        guard bytes <= Capture.limit else {
          throw DataError("hook capture: more than 16 GB captured; capture into a folder or match less")
        }
        self.values[positions[key]!].tensor = value.copy()
      }
    }
  }

  /// Writes what is gathered for one file. Call it after the run.
  /// - Throws: `DataError` when nothing was captured.
  public func finish() throws {
    guard count > 0 else {
      throw DataError("hook capture: nothing that ran matches (dsd inspect --nodes shows names)")
    }
    guard let out, out.hasSuffix(".safetensors") else { return }
    try SafetensorsWriter.write(values.map { ($0.name, $0.tensor) }, to: out)
  }

  /// A value's name as a file name.
  static func fileName(_ name: String) -> String {
    let mapped = name.map { $0 == "/" || $0 == "\0" ? "." : $0 }
    return String(String(mapped).drop { $0 == "." })
  }
}
