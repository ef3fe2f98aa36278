import Foundation
import FuzzTargets
import TensorCore
import TestSupport
import Testing

/// Inputs that fuzzing has found, of each target: those that reach every part of a reader, and those that once
/// crashed it.
@Suite struct CorpusTests {
  /// Processor time that one file may take. Fuzzing allows a second of wall time; a loaded machine gets more.
  private static let timeLimit = 2.0

  /// A folder laid out like the corpus, such as what `Tools/fuzz/stress.py` writes: prints the time of every file.
  private static let extraFolder = ProcessInfo.processInfo.environment["DSD_FUZZ_FOLDER"]

  @Test(.enabled(if: extraFolder != nil))
  func everyFileOfAnotherFolder() throws {
    let folder = try #require(CorpusTests.extraFolder)
    for target in FuzzTarget.allCases {
      for name in (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(target.rawValue)")) ?? []
      {
        let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(target.rawValue)/\(name)"))
        let start = CorpusTests.threadTime()
        var outcome = "accepted"
        do { try bytes.withUnsafeBytes { try target.read($0) } } catch let error as DataError {
          outcome = String(error.message.prefix(100))
        }
        let seconds = Double(CorpusTests.threadTime() - start) / 1e9
        print("\(target.rawValue)/\(name): \((seconds * 1000).rounded() / 1000) s, \(outcome)")
      }
    }
  }

  @Test(arguments: FuzzTarget.allCases)
  func everyFileIsAcceptedOrRefused(_ target: FuzzTarget) throws {
    let folder = Fixtures.path("fuzz/\(target.rawValue)")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
    #expect(names.count > 10)
    var accepted = 0
    for name in names {
      let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
      let start = CorpusTests.threadTime()
      if try bytes.withUnsafeBytes({ try target.accepts($0) }) { accepted += 1 }
      let seconds = Double(CorpusTests.threadTime() - start) / 1e9
      #expect(seconds < CorpusTests.timeLimit, "\(target.rawValue)/\(name) takes \(seconds) s")
    }
    // Both ways are gone.
    #expect(accepted > 0)
    #expect(accepted < names.count)
  }

  /// Nanoseconds that this thread has computed.
  private static func threadTime() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}
