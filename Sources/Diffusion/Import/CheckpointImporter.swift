import GraphIR

/// Turns a checkpoint's folder into one graph, as `dsd import` does.
public enum CheckpointImporter {
  /// Composes the graph of a pipeline from a diffusers checkpoint or a folder of ONNX exports.
  ///
  /// Weights stay where they are: the graph points into the checkpoint's safetensors files, with paths
  /// relative to `path`, so that is where the graph file belongs. `Specs/pipeline.md` tells what the graph
  /// promises.
  /// - Parameters:
  ///   - path: the folder, which has a `model_index.json`, or `unet/model.onnx` and its siblings.
  ///   - configOnly: makes the graph from the configurations alone; its weights have to be bound later.
  ///   - variant: of the weight files, such as `fp16`.
  /// - Throws: `DataError` in one line that names the file and the key or tensor: something is missing,
  ///   malformed or not supported.
  public static func importFolder(
    _ path: String, configOnly: Bool = false, variant: String? = nil
  ) throws -> Graph {
    guard FolderListing.exists(path) else { throw DataError("\(path): no such folder") }
    guard FolderListing.isFolder(path) else {
      throw DataError("\(path): not a folder; a checkpoint in diffusers' layout is expected")
    }
    var folder = path
    while folder.count > 1 && folder.hasSuffix("/") { folder.removeLast() }
    if FolderListing.exists("\(folder)/unet/model.onnx") {
      return try ONNXFolder(folder).graph()
    }
    guard FolderListing.exists("\(folder)/model_index.json") else {
      throw DataError(
        "\(folder): neither a diffusers checkpoint (no model_index.json) nor an ONNX export "
          + "(no unet/model.onnx)")
    }
    return try DiffusersCheckpoint(folder, configOnly: configOnly, variant: variant).graph()
  }
}
