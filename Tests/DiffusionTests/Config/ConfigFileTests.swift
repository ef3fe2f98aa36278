import TensorCore
import Testing

@testable import Diffusion
@testable import ONNXWire

struct ConfigFileTests {
  private func config(_ text: String) throws -> ConfigFile {
    guard case .object(let values) = try JSON(parsing: text) else { throw DataError("no object") }
    return ConfigFile(path: "f.json", values: values)
  }

  @Test func getters() throws {
    let c = try config(
      #"{"s":"x","i":3,"d":0.5,"w":64.0,"b":true,"n":null,"l":[1,2],"t":["a"],"o":{"k":{"z":1}}}"#)
    #expect(try c.string("s") == "x")
    #expect(try c.int("i") == 3)
    #expect(try c.int("w") == 64)
    #expect(try c.double("i") == 3)
    #expect(try c.double("d") == 0.5)
    #expect(try c.bool("b"))
    #expect(try c.int("n", default: 7) == 7)
    #expect(!c.has("n") && c.has("s"))
    #expect(try c.ints("l") == [1, 2])
    #expect(try c.doubles("l") == [1, 2])
    #expect(try c.strings("t") == ["a"])
    #expect(try c.ints("i", count: 3) == [3, 3, 3])
    #expect(try c.ints("l", count: 2) == [1, 2])
    #expect(try c.object("o").object("k").int("z") == 1)
  }

  @Test func errorsNameFileAndKey() throws {
    let c = try config(#"{"s":"x","d":0.5,"l":[1,"2"],"o":{"k":1}}"#)
    #expect(message { try c.int("missing") } == "f.json: missing: missing")
    #expect(message { try c.int("s") } == "f.json: s: an integer expected, not a string")
    #expect(message { try c.int("d") } == "f.json: d: an integer expected, not a number")
    #expect(message { try c.bool("o") } == "f.json: o: true or false expected, not an object")
    #expect(message { try c.ints("l") } == "f.json: l: a list of integers expected, not a list")
    #expect(message { try c.object("o").string("k") } == "f.json: o.k: a string expected, not an integer")
    #expect(message { try c.object("o").string("q") } == "f.json: o.q: missing")
    #expect(
      message { try c.choice("s", of: NoiseSchedule.Family.self) }
        == "f.json: s: “x” is unknown (known: “euler”, “ddpm”)")
  }

  @Test func files() throws {
    let folder = try TemporaryFolder()
    let missing = folder.path + "/none.json"
    #expect(message { try ConfigFile(path: missing) }.hasPrefix(missing + ": "))
    #expect(message { try ConfigFile(path: folder.path) }.hasPrefix(folder.path + ": "))
    let list = try folder.write("list.json", "[1]")
    #expect(message { try ConfigFile(path: list) } == "\(list): a JSON object expected, not a list")
    let empty = try folder.write("empty.json", "")
    #expect(message { try ConfigFile(path: empty) }.hasPrefix("\(empty): malformed JSON"))
  }
}
