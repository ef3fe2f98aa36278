import Foundation
import GraphIR
import Operators
import TestSupport
import Testing

/// The catalogue as a whole.
@Suite struct CatalogueTests {
  /// Every operator type in the sources is in its family's list.
  @Test func nothingIsLeftOut() throws {
    let folder = URL(fileURLWithPath: "\(Fixtures.repository)/Sources/Operators")
    let files = FileManager.default.enumerator(at: folder, includingPropertiesForKeys: nil)!
      .compactMap { $0 as? URL }.filter { $0.pathExtension == "swift" }
    let listed = Set(OperatorSet.standard.all.map { $0.schema.name })
    var types = 0
    for file in files {
      let text = try String(contentsOf: file, encoding: .utf8)
      for match in text.matches(of: /static let schema = Schema(?:\.\w+)?\(\s*"(\w+)"/) {
        types += 1
        let name = String(match.1)
        #expect(listed.contains(name), "\(name) in \(file.lastPathComponent) is in no family's list")
      }
    }
    #expect(types > 100)
  }

  /// The table in Specs is the one that `dsd operators` prints.
  @Test func namesAreDocumented() throws {
    let text = try String(contentsOfFile: "\(Fixtures.repository)/Specs/operators.md", encoding: .utf8)
    for type in OperatorSet.standard.all {
      #expect(text.contains("| \(type.schema.name) "), "\(type.schema.name) is not in Specs/operators.md")
    }
  }
}
