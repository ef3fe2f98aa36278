import Foundation

/// Paths of the committed reference data.
public enum Fixtures {
  /// The repository's folder.
  public static let repository = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

  public static func path(_ relative: String) -> String { "\(repository)/Tests/Fixtures/\(relative)" }

  /// The folder of this process's scratch folders; it goes when the process ends.
  public static let scratchRoot: String = {
    let path = FileManager.default.temporaryDirectory.path + "/dsd-tests-\(getpid())"
    atexit {
      let path = FileManager.default.temporaryDirectory.path + "/dsd-tests-\(getpid())"
      try? FileManager.default.removeItem(atPath: path)
    }
    return path
  }()

  /// A new folder for one test, with the name of the caller in it.
  public static func scratch(_ name: String = #function) throws -> String {
    let clean = name.filter { $0.isLetter || $0.isNumber }
    let path = "\(scratchRoot)/\(clean)-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }
}
