import Foundation

/// Metrics of a run in a file, a JSON line each. It holds every step once, however often the run was cut off: what an
/// earlier run wrote past its checkpoint is gone when the log is opened.
final class TrainingLog {
  private let file: FileHandle
  private let path: String

  init(path: String, _ history: TrainingHistory) throws {
    self.path = path
    try AtomicFile.write(Array(history.lines.map { $0 + "\n" }.joined().utf8), to: path)
    guard let file = FileHandle(forWritingAtPath: path) else {
      throw DataError("\(path): cannot be written")
    }
    self.file = file
    _ = try? file.seekToEnd()
  }

  func append(_ line: String) throws {
    do { try file.write(contentsOf: Data((line + "\n").utf8)) } catch {
      throw DataError("\(path): cannot be written: \(error.localizedDescription)")
    }
  }

  deinit { try? file.close() }
}
