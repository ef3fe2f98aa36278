import Foundation
import GraphIR
import Testing

/// A folder that goes when the test ends.
final class Scratch {
  let path: String

  init() {
    path = NSTemporaryDirectory() + "dsd-wire-\(UUID().uuidString)"
    try! FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// The full path of a file in the folder; folders between are made.
  @discardableResult
  func file(_ name: String) -> String {
    let full = "\(path)/\(name)"
    let parent = (full as NSString).deletingLastPathComponent
    try! FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    return full
  }

  @discardableResult
  func write(_ bytes: [UInt8], as name: String) -> String {
    let full = file(name)
    try! Data(bytes).write(to: URL(fileURLWithPath: full))
    return full
  }

  func link(_ name: String, to target: String) {
    try! FileManager.default.createSymbolicLink(atPath: file(name), withDestinationPath: target)
  }

  func bytes(_ name: String) -> [UInt8] { Array(FileManager.default.contents(atPath: "\(path)/\(name)")!) }

  var names: [String] { try! FileManager.default.contentsOfDirectory(atPath: path).sorted() }
}

/// The message of the `DataError` that `body` must throw: one line that contains every word of `parts`.
func expectRefusal(
  _ parts: String..., lines: Int = 1, at location: SourceLocation = #_sourceLocation,
  _ body: () throws -> Void
) {
  do {
    try body()
    Issue.record("nothing was refused", sourceLocation: location)
  } catch let error as DataError {
    for part in parts {
      #expect(error.message.contains(part), "\(error.message)", sourceLocation: location)
    }
    #expect(
      error.message.split(separator: "\n", omittingEmptySubsequences: false).count == lines,
      "\(error.message)", sourceLocation: location)
  } catch {
    Issue.record("not a DataError: \(error)", sourceLocation: location)
  }
}

/// Small deterministic numbers for tests.
struct TestRandom: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state &* 0x2545_F491_4F6C_DD1D
  }
}

/// A tensor of any type and shape with bytes that are valid for it.
func sample(_ dtype: DType, _ shape: [Int], seed: UInt64 = 1) -> Tensor {
  var random = TestRandom(seed)
  let tensor = Tensor(dtype, shape)
  let bytes = tensor.pointer(as: UInt8.self)
  let unused = UInt8(max(0, 8 - dtype.bits))
  for i in 0..<tensor.byteCount {
    let byte = UInt8.random(in: 0 ... .max, using: &random) << unused
    // Elements of 4 and 2 bits have their sign, if any, in the rest of their byte.
    let element =
      dtype.isInteger && dtype.isSigned
      ? UInt8(bitPattern: Int8(bitPattern: byte) >> Int8(unused)) : byte >> unused
    bytes[i] = dtype == .bool ? byte & 1 : element
  }
  return tensor
}
