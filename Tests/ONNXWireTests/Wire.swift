/// Writes protobuf by hand: what our own writer never writes (typed fields, functions, damage) has to come
/// from somewhere.
struct Wire {
  var bytes: [UInt8] = []

  static func varint(_ value: UInt64) -> [UInt8] {
    var rest = value
    var bytes: [UInt8] = []
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  func int(_ field: Int, _ value: Int) -> Wire {
    Wire(bytes: bytes + Wire.varint(UInt64(field << 3)) + Wire.varint(UInt64(bitPattern: Int64(value))))
  }

  func bytes(_ field: Int, _ content: [UInt8]) -> Wire {
    Wire(bytes: bytes + Wire.varint(UInt64(field << 3 | 2)) + Wire.varint(UInt64(content.count)) + content)
  }

  func text(_ field: Int, _ text: String) -> Wire { bytes(field, Array(text.utf8)) }
  func texts(_ field: Int, _ texts: [String]) -> Wire { texts.reduce(self) { $0.text(field, $1) } }
  func message(_ field: Int, _ content: Wire) -> Wire { bytes(field, content.bytes) }
  func messages(_ field: Int, _ contents: [Wire]) -> Wire { contents.reduce(self) { $0.message(field, $1) } }

  // MARK: ONNX messages

  static func node(
    _ op: String, domain: String = "", overload: String = "", name: String = "", _ inputs: [String],
    _ outputs: [String], _ attributes: [Wire] = []
  ) -> Wire {
    Wire().texts(1, inputs).texts(2, outputs).text(3, name).text(4, op).messages(5, attributes).text(
      7, domain
    )
    .text(8, overload)
  }
  static func intAttribute(_ name: String, _ value: Int) -> Wire {
    Wire().text(1, name).int(3, value).int(20, 2)
  }
  static func reference(_ name: String, to other: String) -> Wire {
    Wire().text(1, name).text(21, other).int(20, 2)
  }
  static func tensor(_ name: String, _ dtype: Int, _ dims: [Int]) -> Wire {
    dims.reduce(Wire()) { $0.int(1, $1) }.int(2, dtype).text(8, name)
  }
  static func external(_ name: String, _ dtype: Int, _ dims: [Int], _ entries: [(String, String)]) -> Wire {
    tensor(name, dtype, dims).messages(13, entries.map { Wire().text(1, $0).text(2, $1) }).int(14, 1)
  }
  static func graph(_ nodes: [Wire], initializers: [Wire] = []) -> Wire {
    Wire().messages(1, nodes).text(2, "g").messages(5, initializers)
  }
  static func opset(_ domain: String, _ version: Int) -> Wire { Wire().text(1, domain).int(2, version) }
  static func model(_ graph: Wire, functions: [Wire] = [], opsets: [Wire] = [opset("", 18)]) -> [UInt8] {
    Wire().int(1, 10).message(7, graph).messages(8, opsets).messages(25, functions).bytes
  }
  static func function(
    _ name: String, domain: String = "f", overload: String = "", _ inputs: [String], _ outputs: [String],
    _ nodes: [Wire], attributes: [String] = [], defaults: [Wire] = [], opsets: [Wire] = [opset("", 18)]
  ) -> Wire {
    Wire().text(1, name).texts(4, inputs).texts(5, outputs).texts(6, attributes).messages(7, nodes)
      .messages(9, opsets).text(10, domain).messages(11, defaults).text(13, overload)
  }
}
