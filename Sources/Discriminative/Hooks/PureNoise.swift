import GraphIR
import Interpreter

/// Puts zeros in the place of the latent at one image index of a matching job: the UNet sees the timestep's
/// noise as the schedule scales it, and no image.
final class PureNoise: TwinHook {
  let name = "pure-noise"
  let view = HookView.source
  private static let latent = "latent"
  private var image: Int?
  private var isAttached = false

  func twin() -> PureNoise { PureNoise() }
  func absorb(_ twin: PureNoise) {}

  func willMatch(_ grid: MatchingGrid) { image = grid.pureNoise }

  func selects(_ node: Node, in context: HookContext) throws -> Demand? {
    guard let output = node.outputs.firstIndex(of: PureNoise.latent) else { return nil }
    isAttached = true
    return Demand(outputs: [output], alters: true)
  }

  /// Call it when the run has been planned.
  /// - Throws: `DataError` when no node makes the latent.
  func checkSelection() throws {
    guard isAttached else {
      throw DataError("--normalize noise: no node of the graph makes the value '\(PureNoise.latent)'")
    }
  }

  func didRun(_ node: Node, _ values: inout [Tensor], at position: SweepPosition) throws {
    guard let image, position[.image] == image else { return }
    values[0] = .zeros(values[0].dtype, values[0].shape)
  }
}
