import CommandLineSupport
import Foundation

struct GenerateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Make images of captions with a pipeline graph.",
    discussion: """
      Several images (several captions, or --count) are numbered: out-1.png, out-2.png, …; the images of a \
      caption follow each other, and image number i, from 0, has the seed plus i. The result is the image that \
      diffusers makes with the same settings in float32.
      """)

  @Argument(help: "The graph file, made by dsd import.")
  var graph: String

  @Option(help: ArgumentHelp("A caption; repeat it for several.", valueName: "caption"))
  var text: [String] = []

  @Option(help: "How many images of each caption.")
  var count = 1

  @Option(help: ArgumentHelp("What the image should not be like.", valueName: "caption"))
  var negative: String?

  @Option(
    help: """
      The sampler (default: the checkpoint's own if it is one of these, else euler where its scheduler \
      counts noise in sigmas, and ddim for the others).
      """)
  var sampler: SamplerKind?

  @Option(help: "How many steps from noise to image.")
  var steps = 30

  @Option(help: "How much the caption is exaggerated; 1 or less: not at all, in half the time.")
  var guidance: Float = 7.5

  @Option(help: "Seed of the noise, as torch.manual_seed takes it.")
  var seed: UInt64 = 0

  @Option(
    help: ArgumentHelp("The size in pixels (default: the model's own).", valueName: "widthxheight"))
  var size: PixelSize?

  @Option(
    help: ArgumentHelp(
      "Noise [images, channels, height, width] to start from, instead of the seed's, from a .npy file.",
      valueName: "file"))
  var latent: String?

  @Option(name: .shortAndLong, help: "The PNG file.")
  var output = "image.png"

  @OptionGroup(title: "Graph") var arguments: GraphArguments

  func validate() throws {
    if text.isEmpty { throw ValidationError("--text is missing") }
    if steps < 1 { throw ValidationError("--steps: \(steps) is not at least 1") }
    if !(1...10_000).contains(count) { throw ValidationError("--count: \(count) is not between 1 and 10000") }
    if !guidance.isFinite { throw ValidationError("--guidance: \(guidance) is not a finite number") }
  }

  func run() throws {
    // What can be wrong with the command is found before any weights are touched.
    for caption in text + (negative.map { [$0] } ?? []) { try CLIPTokenizer.check(caption) }
    let captions = text.flatMap { Array(repeating: $0, count: count) }
    let paths = captions.indices.map { path($0, of: captions.count) }
    for path in paths { try OutputCheck.file(path) }
    let given = try latent.map { try NPYFile.read(path: $0) }
    let loaded = try arguments.load(graph)
    var options = GenerationOptions()
    options.sampler = sampler
    options.steps = steps
    options.guidance = guidance
    options.negative = negative
    options.size = size.map { ($0.width, $0.height) }
    let job: GenerationJob
    do {
      job = try GenerationJob(
        loaded.graph, tokenizerFolder: loaded.assets, options: options, pool: arguments.pool())
    } catch let error as DataError {
      throw error.message.hasPrefix("--") ? error : error.at(graph)
    }
    if let given { try check(given, job, captions.count) }
    if negative != nil, guidance <= 1 {
      Terminal.note("note: --negative has no effect with --guidance \(guidance)")
    }

    let progress = Terminal.progress("generating")
    for (i, caption) in captions.enumerated() {
      let ownSeed = seed &+ UInt64(i)
      let noise = given.map { $0.rows(i..<i + 1).converted(to: .float32) } ?? job.noise(seed: ownSeed)
      let made = try job.image(of: caption, noise: noise) { done, total in
        // The last one of all clears the line.
        progress(i * total + done, captions.count * total)
      }
      try made.image.writePNG(to: paths[i])
      if !made.isFinite { Terminal.note("note: \(paths[i]): some values are infinite or not a number") }
      let origin = latent.map { "\($0)[\(i)]" } ?? "seed \(ownSeed)"
      Terminal.clearProgress()
      print(Terminal.printable("\(paths[i]): \(origin): \(caption.replacing("\n", with: "\\n"))"))
      fflush(nil)
    }
  }

  /// `out.png`, or `out-03.png` where there are several.
  private func path(_ index: Int, of count: Int) -> String {
    guard count > 1 else { return output }
    let number = String(index + 1)
    let digits = String(repeating: "0", count: String(count).count - number.count) + number
    let name = output as NSString
    let suffix = name.pathExtension.isEmpty ? "" : ".\(name.pathExtension)"
    return "\(name.deletingPathExtension)-\(digits)\(suffix)"
  }

  private func check(_ given: Tensor, _ job: GenerationJob, _ count: Int) throws {
    let shape = [count] + job.latentShape.dropFirst()
    guard given.dtype.isFloat, given.shape == shape else {
      throw DataError(
        "--latent: is \(given.dtype)\(Shape.text(given.shape)), this job needs float32\(Shape.text(shape))")
    }
  }
}

/// `WIDTHxHEIGHT` on the command line; a comma does as well.
struct PixelSize: ExpressibleByArgument {
  let width: Int
  let height: Int

  init?(argument: String) {
    let parts = argument.split(omittingEmptySubsequences: false) { $0 == "x" || $0 == "," }
    guard parts.count == 2, let width = Int(parts[0]), let height = Int(parts[1]),
      (1...16384).contains(width), (1...16384).contains(height)
    else { return nil }
    self.width = width
    self.height = height
  }
}

extension SamplerKind: ExpressibleByArgument {}
