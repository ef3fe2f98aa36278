import Foundation
import ONNXWire

/// A results file that the processes of a group fill together.
///
/// Each process but the first has a file of its own beside it, `FILE.rank-N`, and is at work as if it were alone. At the
/// end the first one takes their terms into the file and they are removed; what a job that was ended has left of them is
/// taken by the next one before it begins. The processes may be on machines that share no files.
public final class SharedResults {
  /// This process's file.
  public let file: ResultsFile
  public let group: any ProcessGroup
  private let lock: JobLock?

  /// Opens the files and takes what an earlier job has left.
  /// - Parameter path: the file of the first process.
  /// - Throws: `DataError` that names the file.
  public init(path: String, group: any ProcessGroup) throws {
    self.group = group
    lock = group.rank == 0 ? try JobLock("\(path).job", of: path) : nil
    // Nobody touches a file before the first process knows that the job is the only one.
    _ = try group.broadcast(true)
    guard group.rank != 0 else {
      file = try ResultsFile(path: path)
      try group.gather([]) { [file] rank, bytes in try SharedResults.take(bytes, from: rank, into: file) }
      try SharedResults.takeForgotten(path, group.size, into: file)
      _ = try group.broadcast(true)
      return
    }
    let own = "\(path).rank-\(group.rank)"
    let isLeft = FileManager.default.fileExists(atPath: own)
    try group.gather(isLeft ? try ResultsFile(path: own).bytes() : []) { _, _ in }
    // Not before the first process has it.
    _ = try group.broadcast(true)
    SharedResults.remove(own)
    file = try ResultsFile(path: own)
  }

  /// Takes the files of more processes than there are now.
  private static func takeForgotten(_ path: String, _ size: Int, into file: ResultsFile) throws {
    let folder = (path as NSString).deletingLastPathComponent
    let prefix = (path as NSString).lastPathComponent + ".rank-"
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.isEmpty ? "." : folder)
    for name in names.sorted() where name.hasPrefix(prefix) {
      guard let rank = Int(name.dropFirst(prefix.count)), rank >= size else { continue }
      let other = (folder as NSString).appendingPathComponent(name)
      _ = try file.merge(other)
      remove(other)
    }
  }

  /// Runs what an evaluation on ``file`` lacks, each process its part.
  /// - Parameters:
  ///   - isForAll: whether every process has all terms afterwards; otherwise the first one.
  ///   - progress: of this process's part.
  /// - Throws: `DataError` when the processes do not have the same items, model and settings before them.
  public func run(
    _ evaluation: Evaluation, isForAll: Bool = false, progress: ((Evaluation.Progress) -> Void)? = nil
  ) throws {
    try group.agree(on: evaluation.digest(), "items, graph or options")
    let pending = try group.broadcast(evaluation.pending)
    try evaluation.run(group.share(pending), progress: progress)
    let bad = try group.gather(evaluation.reasons)
    for list in bad { for (place, reason) in list { evaluation.leaveOut(place, reason) } }
    try group.gather(group.rank == 0 ? [] : file.bytes()) { [file] rank, bytes in
      try SharedResults.take(bytes, from: rank, into: file)
    }
    if isForAll {
      let bytes = try group.broadcast(group.rank == 0 ? try file.bytes() : [])
      if group.rank != 0 { try SharedResults.take(bytes, from: 0, into: file) }
    }
    if group.rank == 0 || isForAll { try evaluation.recallAll() }
    // Not before the first process has everything.
    _ = try group.broadcast(true)
    if group.rank != 0 {
      file.discard()
      SharedResults.remove(file.path)
    }
  }

  private static func take(_ bytes: [UInt8], from rank: Int, into file: ResultsFile) throws {
    guard !bytes.isEmpty else { return }
    let incoming = "\(file.path).from-\(rank)"
    defer { remove(incoming) }
    try AtomicFile.write(bytes, to: incoming)
    _ = try file.merge(incoming)
  }

  private static func remove(_ path: String) {
    for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + suffix) }
  }
}
