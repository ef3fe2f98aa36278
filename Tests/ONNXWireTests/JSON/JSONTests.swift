import Foundation
import Testing

@testable import ONNXWire

struct JSONTests {
  @Test func values() throws {
    let text = #" { "a" : [1, -2.5e1, true, false, null, "x\n\u00e9\ud83d\ude00/"], "b": {} } "#
    #expect(
      try JSON(parsing: text)
        == .object([
          "a": .array([.int(1), .double(-25), .bool(true), .bool(false), .null, .string("x\né😀/")]),
          "b": .object([:]),
        ]))
    #expect(try JSON(parsing: "1000000000000000019884624838656") == .double(1e30))
    #expect(try JSON(parsing: "-0") == .int(0))
    #expect(try JSON(parsing: "[]") == .array([]))
    #expect(try JSON(parsing: #"{"a":1,"a":2}"#) == .object(["a": .int(2)]))
  }

  /// Values are the same after Foundation's coders have written and read them.
  @Test func coding() throws {
    let value = JSON.object([
      "a": .array([.int(1), .double(-2.5), .bool(true), .null, .string("x\n")]), "b": .object([:]),
      "big": .int(.max), "flag": .bool(false),
    ])
    #expect(try JSONDecoder().decode(JSON.self, from: JSONEncoder().encode(value)) == value)
  }

  @Test(arguments: [
    "", " ", "{", "[", "[1", "[1,", "[1,]", "{\"a\"", "{\"a\":", "{\"a\":1,", "{\"a\":1,}", "{a:1}", "tru",
    "nul", "01", "-", "1.", "1e", "+1", ".5", "1 2", "\"", "\"\\", "\"\\u12\"", "\"\\x\"", "\"\u{1}\"",
    "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "1e999", "NaN", "{\"a\" 1}", "[1 2]", "{,}",
  ])
  func malformed(_ text: String) {
    #expect(message { try JSON(parsing: text) }.hasPrefix("malformed JSON in line 1: "))
  }

  @Test func notUTF8() {
    let bytes: [UInt8] = [0x22, 0xC3, 0x22]
    let text = message { try bytes.withUnsafeBytes { try JSON(parsing: $0) } }
    #expect(text == "malformed JSON in line 1: a string that is not UTF-8")
  }

  @Test func namesTheLine() {
    #expect(message { try JSON(parsing: "{\n\"a\": 1\n\"b\": 2}") }.contains("line 3"))
  }

  @Test func deepNestingIsRefusedNotACrash() throws {
    let text = message { try JSON(parsing: String(repeating: "[", count: 100_000)) }
    #expect(text.hasSuffix("nested too deeply"))
    let fine = String(repeating: "[", count: 256) + String(repeating: "]", count: 256)
    _ = try JSON(parsing: fine)
  }
}

/// The message of the error that `body` throws.
private func message(_ body: () throws -> some Any) -> String {
  do { _ = try body() } catch { return "\(error)" }
  return "no error"
}
