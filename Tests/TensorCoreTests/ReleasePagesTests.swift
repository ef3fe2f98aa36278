import Foundation
import TensorCore
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite struct ReleasePagesTests {
  /// Pages of a mapped file that are in this process's memory.
  private func resident(_ tensor: Tensor) -> Int {
    let page = sysconf(Int32(_SC_PAGESIZE))
    let file = FileHandle(forReadingAtPath: "/proc/self/smaps")
    let text = (try? file?.readToEnd()).flatMap { String(decoding: $0, as: UTF8.self) } ?? ""
    let start = String(UInt(bitPattern: tensor.storage.base), radix: 16)
    guard let area = text.range(of: "\n\(start)-") ?? text.range(of: "\(start)-"),
      let line = text[area.upperBound...].range(of: "Rss:"),
      let size = Int(text[line.upperBound...].prefix { $0 != "k" }.trimmingCharacters(in: .whitespaces))
    else { return -1 }
    return size * 1024 / page
  }

  @Test func mappedBytesComeBack() throws {
    let path = NSTemporaryDirectory() + "pages-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    let values = (0..<100_000).map { Float($0) }
    try values.withUnsafeBytes { try Data($0).write(to: URL(fileURLWithPath: path)) }
    let file = try MappedFile(path: path)
    let tensor = try Tensor(.float32, [99_000], in: file.storage, at: 4000)
    #expect(tensor.array(of: Float.self).reduce(0, +) > 0)
    #expect(resident(tensor) > 90)
    tensor.releasePages()
    #expect(resident(tensor) < 10)
    #expect(tensor.array(of: Float.self) == Array(values[1000..<100_000]))
  }

  /// Memory that is no file's keeps its bytes.
  @Test func ownedBytesStay() {
    let tensor = Tensor([Float](repeating: 3, count: 10_000), shape: [10_000])
    tensor.releasePages()
    #expect(tensor.array(of: Float.self).allSatisfy { $0 == 3 })
    Tensor(.float32, [0]).releasePages()
  }
}
