import Foundation
import TensorCore
import TestSupport
import Testing

@Suite struct MappedFileTests {
  private func message(_ path: String) -> String? {
    do {
      _ = try MappedFile(path: path)
      return nil
    } catch { return (error as? DataError)?.message }
  }

  @Test func reads() throws {
    let folder = try Fixtures.scratch()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Data([1, 2, 3]).write(to: URL(fileURLWithPath: "\(folder)/a"))
    let file = try MappedFile(path: "\(folder)/a")
    withExtendedLifetime(file) { #expect(Array(file.bytes) == [1, 2, 3]) }
    try Data().write(to: URL(fileURLWithPath: "\(folder)/empty"))
    #expect(try MappedFile(path: "\(folder)/empty").byteCount == 0)
    // The mapping outlives the file object while a tensor uses it.
    let tensor = try Tensor(.uint8, [3], in: MappedFile(path: "\(folder)/a").storage, at: 0)
    try FileManager.default.removeItem(atPath: "\(folder)/a")
    #expect(tensor.array(of: UInt8.self) == [1, 2, 3])
  }

  @Test func refusals() throws {
    let folder = try Fixtures.scratch()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    #expect(message("\(folder)/none") == "\(folder)/none: No such file or directory")
    #expect(message(folder) == "\(folder): not a regular file")
    #expect(message("/dev/null") == "/dev/null: not a regular file")
    // Nobody writes into the pipe: the answer comes all the same.
    #expect(mkfifo("\(folder)/pipe", 0o600) == 0)
    #expect(message("\(folder)/pipe") == "\(folder)/pipe: not a regular file")
    symlink("\(folder)/loop", "\(folder)/loop")
    #expect(message("\(folder)/loop")?.contains("symbolic links") == true)
  }
}
