import Foundation

#if canImport(Glibc)
  import Glibc
#endif

/// A file that is locked while a job is at work, and removed when it has ended.
final class JobLock {
  private let path: String
  private let descriptor: Int32

  /// - Parameter results: what the job fills, for the message.
  /// - Throws: `DataError` when another job has the lock, or the file cannot be made.
  init(_ path: String, of results: String) throws {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw DataError("\(path): cannot be written: \(String(cString: strerror(errno)))")
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      close(descriptor)
      throw DataError("\(results): another job of mpirun fills it")
    }
    // Last: what is thrown before must not take the other job's file away.
    self.path = path
    self.descriptor = descriptor
  }

  deinit {
    unlink(path)
    close(descriptor)
  }
}
