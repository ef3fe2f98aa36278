import GraphIR
import ONNXWire

/// Gives the parameters of one component as initializers that point into its files.
///
/// What is wrong with them is collected, so that one message can list everything.
final class ParameterSource {
  /// The scope of names in the graph, such as `vae_encoder`.
  let scope: String
  /// The component's folder, such as `vae`.
  let component: String
  /// Nil when the graph is made from the configuration alone.
  private let files: WeightFiles?
  /// Parameters that are missing or do not fit.
  private(set) var problems: [String] = []
  /// What is wrong with the configuration itself.
  private(set) var misfits: [String] = []
  /// Copied parameters by their name in the graph, with the file they come from.
  private(set) var inlined: [String: String] = [:]
  private(set) var dtypes: Set<DType> = []

  /// Tensors up to this many bytes are copied into the graph: ONNX Runtime wants shapes and scales there.
  static let inlineLimit = 1024

  init(scope: String, component: String, files: WeightFiles?) {
    self.scope = scope
    self.component = component
    self.files = files
  }

  /// The initializer of a parameter.
  /// - Parameters:
  ///   - key: the canonical key.
  ///   - shape: the shape that the configuration asks for.
  ///   - alternative: another shape that is accepted as stored.
  func initializer(_ key: String, _ shape: [Int], or alternative: [Int]? = nil) -> Initializer {
    guard let files else { return unbound(shape) }
    guard let stored = ParameterNames.candidates(key).first(where: { files.index.entries[$0] != nil }),
      let location = files.index.entries[stored]
    else {
      problems.append("\(files.name): '\(key)' is missing")
      return unbound(shape)
    }
    let entry = location.entry
    let path = "\(component)/\(location.file)"
    guard entry.shape == shape || entry.shape == alternative else {
      problems.append(
        "\(path): '\(stored)' is \(Shape.text(entry.shape)), the configuration asks for \(Shape.text(shape))")
      return unbound(shape)
    }
    guard entry.dtype.isFloat else {
      problems.append("\(path): '\(stored)' holds \(entry.dtype), not floats")
      return unbound(shape)
    }
    dtypes.insert(entry.dtype)
    if entry.length <= ParameterSource.inlineLimit, let tensor = try? files.index.tensor(stored) {
      inlined["\(scope)/\(key)"] = path
      return Initializer(tensor.copy())
    }
    // A view costs nothing; a copy of unaligned bytes would read them, which is for whoever runs the graph.
    let isAligned = entry.offset % entry.dtype.size == 0
    return Initializer(
      dtype: entry.dtype, shape: entry.shape,
      external: ExternalLocation(path: path, offset: entry.offset, length: entry.length),
      tensor: isAligned ? try? files.index.tensor(stored) : nil)
  }

  /// Notes something that cannot be built.
  func fail(_ misfit: String) { misfits.append(misfit) }

  private func unbound(_ shape: [Int]) -> Initializer {
    let length = (Shape.checkedCount(shape) ?? 0).multipliedReportingOverflow(by: 4).partialValue
    return Initializer(
      dtype: .float32, shape: shape,
      external: ExternalLocation(
        path: WeightFiles.canonicalName(component: component), offset: 0, length: length))
  }
}
