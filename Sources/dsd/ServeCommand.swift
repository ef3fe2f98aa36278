import CommandLineSupport
import Foundation
import Playground

struct ServeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Open a local web page on which images are scored against captions; the same as JSON.",
    discussion: """
      Prints the address to open in a browser, and serves until Ctrl-C:
        dsd serve graph.pb
        dsd serve graph.pb --adapter clothing.safetensors --head weights.pb --port 8000
      The page's requests can be made by programs as well; Specs/serve.md tells how:
        curl -s localhost:7860/api/model
      Only this machine is served unless --host says otherwise; whoever reaches another address may use it.
      """)

  @Argument(help: "The graph file: .pb or .onnx.")
  var graph: String

  @Option(
    help: ArgumentHelp("The address to listen at, IPv4 or IPv6; 0.0.0.0 is every one.", valueName: "address"))
  var host = "127.0.0.1"

  @Option(help: "The port to listen at; 0 takes any that is free.")
  var port: UInt16 = 7860

  @Option(
    help: ArgumentHelp("Let requests choose this head (may be given several times).", valueName: "file"))
  var head: [String] = []

  @Option(help: "Megabytes that a request may have, its images in base64 included.")
  var maxUpload = 32.0

  @Option(help: "Pixels that an image's longer side may have.")
  var maxImageSide = 4096

  @Option(help: "Memory for values held between passes, in GB.")
  var holdMemory = 4.0

  @OptionGroup var batch: BatchArguments
  @OptionGroup(title: "Graph") var arguments: GraphArguments

  func validate() throws {
    guard maxUpload > 0, maxUpload <= 4000 else {
      throw ValidationError("--max-upload: \(maxUpload) is not between 0 and 4000 MB")
    }
    guard (1...RGBImage.maxSide).contains(maxImageSide) else {
      throw ValidationError("--max-image-side: \(maxImageSide) is not between 1 and \(RGBImage.maxSide)")
    }
    guard (0...1e6).contains(holdMemory) else {
      throw ValidationError("--hold-memory: \(holdMemory) is not a size in GB")
    }
  }

  func run() throws {
    var settings = PlaygroundModel.Settings(pool: arguments.pool())
    settings.memoryBudget = Int(holdMemory * 1e9)
    settings.captionsAtOnce = batch.captionsAtOnce
    let model = try PlaygroundModel(
      graph: graph, adapters: PlaygroundModel.Choice.named(arguments.adapter),
      heads: PlaygroundModel.Choice.named(head), settings: settings, version: Program.version
    ) { paths in
      var arguments = arguments
      arguments.adapter = paths
      return try arguments.load(graph)
    }
    var server = PlaygroundServer(model)
    server.host = host
    server.port = port
    server.limits.uploadBytes = Int(maxUpload * 1e6)
    server.limits.imageSide = maxImageSide
    server.log = { Terminal.note($0) }
    if !PlaygroundServer.isLoopback(host) {
      Terminal.note("note: whoever reaches \(host) may use this server; there is no password")
    }
    try serve(server)
  }

  /// Waits for the server; it ends by an error, or with the program.
  private func serve(_ server: PlaygroundServer) throws {
    let ended = DispatchSemaphore(value: 0)
    let failure = Failure()
    Task {
      do {
        try await server.run { address in
          print(address)
          fflush(nil)
        }
      } catch { failure.error = error }
      ended.signal()
    }
    ended.wait()
    if let error = failure.error { throw error }
  }

  /// Written before the semaphore is signalled, read after.
  private final class Failure: @unchecked Sendable { var error: (any Error)? }
}
