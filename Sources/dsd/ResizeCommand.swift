import CommandLineSupport

struct ResizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "resize",
    abstract: "Decode and resize an image as Pillow does.",
    discussion: "Writes a PNG, or with an output that ends in .npy the model's input [1, 3, height, width].")

  @Argument(help: "The image: PNG or JPEG.")
  var image: String

  @Option(help: ArgumentHelp("The new size in pixels.", valueName: "width,height"))
  var size: String

  @Option(help: "The filter.")
  var filter = Resampling.bicubic

  @Option(name: .shortAndLong, help: "The .png or .npy file.")
  var output: String

  func run() throws {
    let numbers = size.split(separator: ",").compactMap { Int($0) }
    guard numbers.count == 2, numbers.allSatisfy({ $0 > 0 && $0 <= 1 << 15 }) else {
      throw ValidationError("--size: '\(size)' is not WIDTH,HEIGHT")
    }
    let resized = try RGBImage(contentsOf: image)
      .resized(width: numbers[0], height: numbers[1], filter: filter)
    if output.hasSuffix(".npy") {
      try NPYFile.write(resized.tensor(), to: output)
    } else {
      try resized.writePNG(to: output)
    }
  }
}

extension Resampling: ExpressibleByArgument {}
