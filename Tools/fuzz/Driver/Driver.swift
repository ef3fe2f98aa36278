import Foundation
import FuzzTargets

/// `dsd-fuzz TARGET …`: libFuzzer on one target, with libFuzzer's own arguments.
@main enum Driver {
  static func main() {
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    if count > 1, FuzzTarget(rawValue: CommandLine.arguments[1]) != nil {
      // libFuzzer starts the program again for some jobs, with its own arguments alone.
      setenv(variable, CommandLine.arguments[1], 1)
      count -= 1
      arguments += 1
      arguments[0] = CommandLine.unsafeArgv[0]
    }
    _ = target
    exit(runDriver(&count, &arguments, testOneInput))
  }

  private static let variable = "DSD_FUZZ_TARGET"

  fileprivate static let target: FuzzTarget = {
    let name = getenv(variable).map { String(cString: $0) } ?? ""
    guard let target = FuzzTarget(rawValue: name) else {
      let known = FuzzTarget.allCases.map(\.rawValue).joined(separator: ", ")
      FileHandle.standardError.write(Data("'\(name)' is not one of \(known)\n".utf8))
      exit(64)
    }
    return target
  }()
}

private typealias Callback = @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32

// Package builds give `main` to Swift, so libFuzzer is called as a library.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<Int32>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>, _ body: Callback
) -> Int32

/// The entry that libFuzzer's own `main`, which is linked in, refers to.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
  do {
    _ = try Driver.target.accepts(UnsafeRawBufferPointer(start: start, count: count))
  } catch {
    fatalError("neither accepted nor refused: \(error)")
  }
  return 0
}
