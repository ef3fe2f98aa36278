import CommandLineSupport
import Foundation

/// Runs any graph, with hooks.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dsd-run",
    abstract: "Run a graph file: score images against captions, or compute any values.",
    discussion: """
      Score images against captions with a pipeline graph (made by 'dsd import'):
        dsd-run graph.pb --hook attn-score --image A.png --text "a dog" --text "a cat"
      See where in an image each word draws attention:
        dsd-run graph.pb --hook attn-map:out=maps --image A.png --text "a dog on a sofa"
      Run any ONNX graph; without --output its outputs are printed in brief:
        dsd-run model.onnx --input x=x.npy --output y=y.npy
        dsd-run detector.onnx --input x=photo.jpg:range=-1..1,size=640x480
        dsd-run model.onnx --input ids=[[1,2,3]] --input rate=16000 --fill random --dim batch=1
      See which inputs it wants (they are listed when one is missing), and where the time goes:
        dsd-run model.onnx
        dsd-run model.onnx --fill random --profile --trace trace.json
      The attention term of a bare UNet, per layer and batch element:
        dsd-run unet.onnx --hook attn-score --input sample=z.npy --input timestep=t.npy \\
          --input encoder_hidden_states=e.npy
      Keep intermediate values:
        dsd-run model.onnx --input x=x.npy --hook capture:op=Softmax,out=maps
      """,
    version: Program.version)

  @Argument(help: "The graph file: .pb or .onnx.")
  var graph: String?

  @Option(
    help: ArgumentHelp(
      "A hook with its options, NAME:key=value,…; 'list' tells which there are.", valueName: "hook"))
  var hook: [String] = []

  @Option(help: ArgumentHelp("An image to score or map (PNG or JPEG).", valueName: "file"))
  var image: [String] = []

  @Option(help: ArgumentHelp("A caption to score or map.", valueName: "caption"))
  var text: [String] = []

  @Option(
    help: ArgumentHelp(
      """
      Feed a value: FILE.npy, FILE.safetensors[:TENSOR], FILE.png or FILE.jpg[:OPTIONS], a number, [[1,2],[3,4]], \
      zeros, ones or random[:SEED], these three also with a shape as in zeros[1,3]. Options of an image: \
      range=LOW..HIGH (0..1), mean=R+G+B, std=R+G+B, size=WxH, layout=nchw|nhwc, order=rgb|bgr, \
      filter=bicubic|bilinear|lanczos.
      """, valueName: "name=value"))
  var input: [NamedText] = []

  @Option(
    help: ArgumentHelp("Feed every input that is left: zeros, ones or random[:SEED].", valueName: "fill"))
  var fill: InputFill?

  @OptionGroup var dims: DimArguments

  @Option(
    help: ArgumentHelp("Write a value, any value of the graph, to a .npy file.", valueName: "name=file"))
  var output: [NamedText] = []

  @Flag(help: "Print one JSON object on standard output.")
  var json = false

  @Option(help: "Run so many times and tell the seconds of each on standard error (not with --image).")
  var `repeat` = 1

  @Flag(help: "Tell on standard error where the time went, by operator and by scope.")
  var profile = false

  @Option(help: "How many scopes of a node, from the outermost, the profile tells apart.")
  var scopeDepth = 2

  @Option(
    help: ArgumentHelp(
      "Write a timeline of every node for chrome://tracing or Perfetto (not with --image).",
      valueName: "file.json"))
  var trace: String?

  @Flag(help: "Tell on standard error where recognition rules declined, and why (not with --image).")
  var declined = false

  @OptionGroup(title: "Score") var matching: MatchingArguments
  @OptionGroup(title: "Graph") var arguments: GraphArguments

  func run() throws {
    try checkPlainOptions()
    if hook.contains("list") {
      print(HookSpec.listing)
      return
    }
    guard let graph else { throw ValidationError("the graph file is missing (dsd-run --help)") }
    let hooks = try hook.map { try HookSpec($0) }
    let scoring = hooks.first { $0.name == "attn-score" }
    let mapping = hooks.first { $0.name == "attn-map" }
    for name in ["attn-score", "attn-map"] where hooks.filter({ $0.name == name }).count > 1 {
      throw ValidationError("--hook \(name) is given twice")
    }
    if !image.isEmpty || !text.isEmpty {
      guard scoring != nil || mapping != nil else {
        throw ValidationError("--image and --text need --hook attn-score or attn-map")
      }
      try runMatching(graph, scoring, mapping, hooks)
    } else if mapping != nil {
      throw ValidationError("--hook attn-map needs --image and --text")
    } else if let scoring, input.isEmpty, fill == nil {
      throw ValidationError(
        "--hook \(scoring.name) needs --image and --text, or --input for a bare UNet")
    } else {
      try runGraph(graph, scoring, hooks)
    }
  }

  private func checkPlainOptions() throws {
    guard (1...1_000_000).contains(`repeat`) else {
      throw ValidationError("--repeat: \(`repeat`) is not between 1 and 1000000")
    }
    guard (1...100).contains(scopeDepth) else {
      throw ValidationError("--scope-depth: \(scopeDepth) is not between 1 and 100")
    }
  }
}
