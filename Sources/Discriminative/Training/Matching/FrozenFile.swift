import Foundation
import ONNXWire

/// A file that keeps what training computed and nothing learned changes: latents of images, states of captions.
///
/// A safetensors file. What an earlier run kept is read from there when it is asked for, not held in memory; what is
/// new is added now and then, by writing a whole file in the old one's place. A run that is killed loses what it has
/// computed since.
final class FrozenFile {
  private static let formatKey = "dsd.frozen"
  private static let version = "1"

  private let path: String
  private let metadata: [String: String]
  private var file: SafetensorsFile?
  private var added: [(key: String, tensor: Tensor)] = []
  private var lastWrite = ContinuousClock.now
  /// The shortest time between two writings but for the last; long writings are further apart.
  private var pause: Duration = .seconds(30)

  /// Opens the file, or begins one.
  /// - Parameter model: digests of what the values are computed with, by a word for each.
  /// - Throws: `DataError` when the file is something else, was made with another model, or cannot be written.
  init(path: String, model: [String: String]) throws {
    self.path = path
    metadata = model.merging([FrozenFile.formatKey: FrozenFile.version]) { own, _ in own }
    try OutputCheck.file(path)
    guard FileManager.default.fileExists(atPath: path) else { return }
    let file = try SafetensorsFile(path: path)
    guard file.metadata[FrozenFile.formatKey] == FrozenFile.version else {
      throw DataError("\(path): not a file that dsd train --cache made for an adapter")
    }
    for (word, digest) in model.sorted(by: { $0.key < $1.key }) where file.metadata[word] != digest {
      throw DataError("\(path): was made with another \(word); choose another file for --cache")
    }
    self.file = file
  }

  /// What is kept under a name.
  /// - Throws: `DataError` that names the file when it is of another type or shape than wanted.
  func tensor(_ key: String, _ type: TensorType) throws -> Tensor? {
    guard let file, file.entries[key] != nil else { return nil }
    let tensor = try file.tensor(key)
    guard TensorType(tensor.dtype, tensor.shape).agrees(with: type) else {
      throw DataError("\(path): '\(key)' is \(tensor.dtype) \(tensor.shape), it must be \(type)")
    }
    return tensor
  }

  /// Keeps values under names that are new.
  func add(_ values: [(key: String, tensor: Tensor)]) throws {
    added += values
    if ContinuousClock.now - lastWrite > pause { try write() }
  }

  /// Writes what has been added.
  /// - Throws: `DataError` that names the file.
  func write() throws {
    guard !added.isEmpty else { return }
    let began = ContinuousClock.now
    // Another run may have written the file since, what it has computed is as good.
    if FileManager.default.fileExists(atPath: path), let now = try? SafetensorsFile(path: path),
      metadata.allSatisfy({ now.metadata[$0.key] == $0.value })
    {
      file = now
    }
    let known = try file.map { file in try file.keys.map { ($0, try file.tensor($0)) } } ?? []
    let names = Set(known.map(\.0))
    let new = added.filter { !names.contains($0.key) }.map { ($0.key, $0.tensor) }
    try SafetensorsWriter.write(known + new, metadata: metadata, to: path)
    file = try SafetensorsFile(path: path)
    added = []
    lastWrite = .now
    pause = max(pause, (lastWrite - began) * 10)
  }
}
