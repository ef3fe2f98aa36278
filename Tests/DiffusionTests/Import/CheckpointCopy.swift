import Foundation
import TestSupport

@testable import Diffusion

/// A fixture checkpoint copied so that a test may change it.
struct CheckpointCopy {
  let folder: TemporaryFolder
  var path: String { folder.path + "/checkpoint" }

  init(_ kind: String) throws {
    folder = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: Fixtures.path("checkpoints/\(kind)"), toPath: path)
  }

  /// Sets keys of a JSON file; nil removes one.
  func edit(_ file: String, _ changes: [String: Any?]) throws {
    let url = URL(fileURLWithPath: "\(path)/\(file)")
    var object = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any] ?? [:]
    for (key, value) in changes { object[key] = value }
    try JSONSerialization.data(withJSONObject: object).write(to: url)
  }

  func move(_ from: String, _ to: String) throws {
    try FileManager.default.moveItem(atPath: "\(path)/\(from)", toPath: "\(path)/\(to)")
  }

  func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: "\(path)/\(file)") }
}
