import Foundation
import OrderedCollections

/// All that a run has to know to go on.
public struct TrainingState {
  /// Steps that have been taken.
  public var step = 0
  public var parameters: OrderedDictionary<String, Tensor>
  /// The parameters with the smallest validation loss so far; those of the start before the first validation.
  public var best: OrderedDictionary<String, Tensor>
  public var optimizer: AdamW
  public var history = TrainingHistory()

  public init(parameters: OrderedDictionary<String, Tensor>, optimizer: AdamW) {
    self.parameters = parameters
    best = parameters
    self.optimizer = optimizer
  }
}

/// A file that holds a run's state, whole at every moment.
///
/// A safetensors file: `parameters/NAME`, `best/NAME`, `first/NAME` and `second/NAME` (AdamW's moments),
/// `history/steps` and `history/validations`; the metadata `settings` has all that decides how the run ends.
public struct TrainingCheckpoint {
  static let format = "dsd-train"
  static let version = "1"
  public let path: String
  /// Names of options (`--lr`) with their values, and of other things (`graph`) with their digests.
  public let settings: [String: String]

  public init(path: String, settings: [String: String]) {
    self.path = path
    self.settings = settings
  }

  public var exists: Bool { FileManager.default.fileExists(atPath: path) }

  /// - Throws: `DataError` that names the file.
  public func write(_ state: TrainingState) throws {
    var tensors: [(String, Tensor)] = []
    for (name, tensor) in state.parameters { tensors.append(("parameters/\(name)", tensor)) }
    for (name, tensor) in state.best { tensors.append(("best/\(name)", tensor)) }
    for name in state.parameters.keys {
      if let first = state.optimizer.first[name] { tensors.append(("first/\(name)", first)) }
      if let second = state.optimizer.second[name] { tensors.append(("second/\(name)", second)) }
    }
    let history = state.history.tensors
    tensors += [("history/steps", history.steps), ("history/validations", history.validations)]
    let settings = JSON.object(settings.mapValues { JSON.string($0) })
    try SafetensorsWriter.write(
      tensors,
      metadata: [
        "format": TrainingCheckpoint.format, "version": TrainingCheckpoint.version,
        "settings": try JSONText.encode(settings),
      ], to: path, sync: true)
  }

  /// Reads what `write` has written.
  /// - Parameter start: a state of the same parameters at its beginning.
  /// - Throws: `DataError` when the file is something else, is damaged, or belongs to a run with other settings.
  public func read(into start: TrainingState) throws -> TrainingState {
    let file = try SafetensorsFile(path: path)
    guard file.metadata["format"] == TrainingCheckpoint.format else {
      throw DataError("\(path): not a checkpoint of dsd train")
    }
    guard file.metadata["version"] == TrainingCheckpoint.version else {
      throw DataError("\(path): version \(file.metadata["version"] ?? "–") of checkpoints is not known")
    }
    try checkSettings(file)
    var state = start
    func tensor(_ group: String, _ name: String) throws -> Tensor {
      let tensor = try file.tensor("\(group)/\(name)")
      guard tensor.dtype == .float32, tensor.shape == start.parameters[name]!.shape else {
        throw DataError("\(path): a damaged checkpoint: '\(group)/\(name)' is \(tensor.dtype)\(tensor.shape)")
      }
      // The file may be replaced while the run goes on.
      return tensor.copy()
    }
    var (first, second): ([String: Tensor], [String: Tensor]) = ([:], [:])
    for name in start.parameters.keys {
      state.parameters[name] = try tensor("parameters", name)
      state.best[name] = try tensor("best", name)
      guard file.entries["first/\(name)"] != nil else { continue }
      first[name] = try tensor("first", name)
      second[name] = try tensor("second", name)
    }
    guard
      let history = TrainingHistory(
        steps: try file.tensor("history/steps"), validations: try file.tensor("history/validations"))
    else { throw DataError("\(path): a damaged checkpoint: its history is none") }
    state.history = history
    state.step = history.steps.count
    state.optimizer.restore(step: state.step, first: first, second: second)
    return state
  }

  /// Reads the first process's checkpoint in all processes of a group; nil when it has none.
  func read(into start: TrainingState, of group: any ProcessGroup) throws -> TrainingState? {
    let own = group.rank == 0 && exists ? try MappedFile.withBytes(of: path) { Array($0) } : []
    let bytes = try group.broadcast(own)
    guard !bytes.isEmpty else { return nil }
    guard group.rank != 0 else { return try read(into: start) }
    let copy = TrainingCheckpoint(path: "\(path).rank-\(group.rank)", settings: settings)
    defer { try? FileManager.default.removeItem(atPath: copy.path) }
    try AtomicFile.write(bytes, to: copy.path)
    return try copy.read(into: start)
  }

  private func checkSettings(_ file: SafetensorsFile) throws {
    guard case .object(let members)? = try? JSON(parsing: file.metadata["settings"] ?? "") else {
      throw DataError("\(path): a damaged checkpoint: it has no settings")
    }
    func refuse(_ reason: String) -> DataError {
      DataError("\(path): was made with \(reason); leave out --resume to begin anew")
    }
    // Options first: they say more than a digest that differs.
    let names = Set(members.keys).union(settings.keys).sorted { a, b in
      (a.hasPrefix("--") ? 0 : 1, a) < (b.hasPrefix("--") ? 0 : 1, b)
    }
    for name in names {
      let old: String? = if case .string(let text)? = members[name] { text } else { nil }
      guard old != settings[name] else { continue }
      guard name.hasPrefix("--") else { throw refuse("another \(name)") }
      throw refuse("\(name) \(old ?? "none"), this run has \(settings[name] ?? "none")")
    }
  }
}
