import Discriminative
import Foundation
import TestSupport
import Testing

@Suite struct ItemReaderTests {
  private let good =
    #"{"id":"a/1","task":"a","images":["x.png#xywh=1,2,3,4","y.jpg"],"texts":["t","u"],"right":[[0,0],[1,1]]}"#

  private func read(_ lines: String...) throws -> [EvaluationItem] {
    let path = try Fixtures.scratch() + "/items.jsonl"
    try lines.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
    do { return try ItemReader.read(path: path) } catch let error as DataError {
      throw DataError(error.message.replacingOccurrences(of: path, with: "items.jsonl"))
    }
  }

  @Test func items() throws {
    let items = try read(
      good, "", "  \r",
      ##"{"id":"b","task":"b","images":["#1.png"],"texts":["é","v"],"right":[[0,1]],"held_out":true,"note":{"a":[]}}"##
    )
    #expect(items.count == 2)
    #expect(items[0].id == "a/1" && items[0].task == "a" && !items[0].isHeldOut)
    #expect(items[0].images[0].path == "x.png")
    #expect(items[0].images[0].region == .init(x: 1, y: 2, width: 3, height: 4))
    #expect(items[0].images[1].region == nil)
    #expect(items[0].right == [.init(image: 0, text: 0), .init(image: 1, text: 1)])
    #expect(items[0].place.hasSuffix("items.jsonl:1"))
    #expect(items[1].isHeldOut && items[1].images[0].path == "#1.png" && items[1].place.hasSuffix(":4"))
  }

  /// One line that names file and line.
  @Test(arguments: [
    ("not json", "malformed JSON: unknown word"),
    ("[1]", "not a JSON object"),
    (#"{"id":"a"}"#, "'task' is missing"),
    (#"{"task":"a","images":["x"],"texts":["t"],"right":[[0,0]]}"#, "'id' is missing"),
    (
      #"{"id":7,"task":"a","images":["x"],"texts":["t"],"right":[[0,0]]}"#,
      "id: a string that is not empty expected, not an integer"
    ),
    (
      #"{"id":"a","task":"","images":["x"],"texts":["t"],"right":[[0,0]]}"#,
      "task: a string that is not empty expected"
    ),
    (
      #"{"id":"a","task":"a","images":"x","texts":["t"],"right":[[0,0]]}"#,
      "images: a list expected, not a string"
    ),
    (#"{"id":"a","task":"a","images":[],"texts":["t"],"right":[[0,0]]}"#, "images: the list is empty"),
    (
      #"{"id":"a","task":"a","images":["x"],"texts":["t",3],"right":[[0,0]]}"#,
      "texts[1]: a string expected, not an integer"
    ),
    (
      #"{"id":"a","task":"a","images":["x"],"texts":["t"],"right":[[0]]}"#,
      "right[0]: a pair [image, text] of indices from 0 expected"
    ),
    (
      #"{"id":"a","task":"a","images":["x"],"texts":["t"],"right":[[0,-1]]}"#,
      "right[0]: a pair [image, text] of indices from 0 expected"
    ),
    (
      #"{"id":"a","task":"a","images":["x"],"texts":["t"],"right":[[0,1]]}"#,
      "right: [0, 1] is out of range for 1 images and 1 texts"
    ),
    (
      #"{"id":"a","task":"a","images":["x"],"texts":["t"],"right":[[0,0],[0,0]]}"#,
      "right: a pair comes twice"
    ),
    (
      #"{"id":"a","task":"a","images":["x"],"texts":["t"],"right":[[0,0]],"held_out":1}"#,
      "held_out: true or false expected, not an integer"
    ),
    (
      ##"{"id":"a","task":"a","images":["x#xywh=0,0,5"],"texts":["t"],"right":[[0,0]]}"##,
      "images[0]: '#xywh=0,0,5' is not #xywh=x,y,width,height in pixels"
    ),
    (
      ##"{"id":"a","task":"a","images":["x#xywh=0,0,5,0"],"texts":["t"],"right":[[0,0]]}"##,
      "images[0]: '#xywh=0,0,5,0' is not #xywh=x,y,width,height in pixels"
    ),
    (
      ##"{"id":"a","task":"a","images":["x#xywh=percent:0,0,5,5"],"texts":["t"],"right":[[0,0]]}"##,
      "images[0]: '#xywh=percent:0,0,5,5' is not #xywh=x,y,width,height in pixels"
    ),
    (#"{"id":"a/1","task":"a","images":["x"],"texts":["t"],"right":[[0,0]]}"#, "id: line 1 has 'a/1' too"),
  ]) func badLine(_ line: String, _ reason: String) throws {
    #expect(throws: DataError("items.jsonl:2: \(reason)")) { _ = try read(good, line) }
  }

  @Test func emptyFile() throws {
    #expect(throws: DataError("items.jsonl: no items")) { _ = try read("", "\n") }
  }

  @Test func longCaption() throws {
    let text = String(repeating: "a", count: 9000)
    let line = #"{"id":"b","task":"a","images":["x"],"texts":["TEXT"],"right":[[0,0]]}"#
      .replacingOccurrences(of: "TEXT", with: text)
    let error = #expect(throws: DataError.self) { _ = try read(line) }
    #expect(error?.message.hasPrefix("items.jsonl:1: texts[0]: the caption") == true)
  }
}
