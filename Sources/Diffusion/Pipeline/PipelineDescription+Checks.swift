import GraphIR
import ONNXWire

extension PipelineDescription {
  /// Checks what a description from a file may get wrong.
  /// - Throws: `DataError` that names the setting.
  func check() throws {
    try PipelineDescription.check(imageSize, 1...16384, "image_size")
    try PipelineDescription.check(latentDownscale, 1...imageSize, "latent_downscale")
    try PipelineDescription.check(latentChannels, 1...1024, "latent_channels")
    try PipelineDescription.check(scheduler.trainTimesteps, 1...1_000_000, "scheduler.num_train_timesteps")
    for tokenizer in tokenizers {
      // The start and the end token at least.
      try PipelineDescription.check(tokenizer.maxLength, 2...65536, "tokenizers.max_length")
      guard FolderBoundary.isInside(tokenizer.folder) else {
        throw DataError("tokenizers.folder: '\(tokenizer.folder)' is not inside the checkpoint's folder")
      }
    }
    if let timeIDs, timeIDs.count != 6 { throw DataError("time_ids holds \(timeIDs.count) numbers, not 6") }
    var expected: [(String, Axis)] = [
      ("pixel_values", .image), ("timestep", .timestep), ("noise", .timestep),
    ]
    expected += tokenizers.map { ($0.input, .text) }
    for (input, axis) in expected where axes[input] != axis {
      throw DataError("axes: '\(input)' is not on the axis \(axis.rawValue)")
    }
  }

  private static func check(_ value: Int, _ range: ClosedRange<Int>, _ name: String) throws {
    guard range.contains(value) else {
      throw DataError("\(name) is \(value), not between \(range.lowerBound) and \(range.upperBound)")
    }
  }
}
