import CKernels
import GraphIR

/// The outputs that Winograd's algorithm computes at a time. Larger tiles take fewer multiplications (4, 3 and 2.25 for
/// an output, where sums take 9), and err more: by 2.4, 4.2 and 7.3 times what sums do.
public enum WinogradTile: String, Sendable, CaseIterable, Comparable {
  case twoByTwo = "2x2"
  case twoByFour = "2x4"
  case fourByFour = "4x4"

  /// Those to choose from where nothing else is asked for.
  static let usual: [WinogradTile] = [.twoByTwo, .twoByFour]

  /// The key of a convolution's metadata that settles its tiles: `none`, the largest (`2x4`) or the only one (`=2x4`).
  public static let metadataKey = Node.winogradKey
  /// The metadata's value for sums as they stand.
  public static let sums = "none"

  /// The metadata's value for no other tile than this one.
  public var onlyThis: String { "=" + rawValue }

  public static func < (a: WinogradTile, b: WinogradTile) -> Bool { a.position < b.position }

  /// Where its transforms are in the table of kernels.
  private var position: Int { WinogradTile.allCases.firstIndex(of: self)! }

  fileprivate func transforms(_ table: ck_panels) -> ck_winograd {
    switch self {
    case .twoByTwo: table.winograd.0
    case .twoByFour: table.winograd.1
    case .fourByFour: table.winograd.2
    }
  }

  /// Whether a node is a convolution that can be computed in more than one way here: as sums, and with tiles.
  /// - Parameter inputs: the types of the node's inputs.
  public static func apply(to node: Node, opset: Int, inputs: [TensorType?]) -> Bool {
    Conv.hasSeveralWays(node, opset: opset, inputs: inputs)
  }

  /// Those that a node's metadata allows; a cost model chooses among several.
  /// - Throws: `DataError` when there is none of that name.
  static func allowed(_ attributes: Attributes) throws -> [WinogradTile] {
    guard let text = attributes.metadata[metadataKey] else { return usual }
    if text == sums { return [] }
    let isOnly = text.hasPrefix("=")
    guard let tile = WinogradTile(rawValue: String(text.dropFirst(isOnly ? 1 : 0))) else {
      let known = ([sums] + allCases.map(\.rawValue) + allCases.map(\.onlyThis)).joined(separator: ", ")
      throw DataError("metadata '\(metadataKey)': '\(text)' is not one of \(known)")
    }
    return isOnly ? [tile] : allCases.filter { $0 <= tile }
  }
}

extension PanelKernels {
  func winograd(_ tile: WinogradTile) -> ck_winograd { tile.transforms(functions) }
}
