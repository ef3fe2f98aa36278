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
    var descriptor: Int32
    while true {
      descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else { throw JobLock.failure(path) }
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
        let error =
          errno == EWOULDBLOCK
          ? DataError("\(results): another job of mpirun fills it") : JobLock.failure(path)
        close(descriptor)
        throw error
      }
      // Whoever had it may have removed it in between: then the lock is on a file without a name.
      var (own, named) = (stat(), stat())
      if fstat(descriptor, &own) == 0, stat(path, &named) == 0, own.st_ino == named.st_ino,
        own.st_dev == named.st_dev
      {
        break
      }
      close(descriptor)
    }
    // Last: what is thrown before must not take the other job's file away.
    self.path = path
    self.descriptor = descriptor
  }

  private static func failure(_ path: String) -> DataError {
    DataError("\(path): cannot be locked: \(String(cString: strerror(errno)))")
  }

  deinit {
    unlink(path)
    close(descriptor)
  }
}
