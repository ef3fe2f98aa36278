import CKernels
import GraphIR

/// The outputs that Winograd's algorithm computes at a time. Larger tiles take fewer multiplications (4, 3 and 2.25 for
/// an output, where sums take 9), and err more: by 2.4, 4.2 and 7.3 times what sums do.
public enum WinogradTile: String, Sendable, CaseIterable, Comparable {
  case twoByTwo = "2x2"
  case twoByFour = "2x4"
  case fourByFour = "4x4"

  /// The largest that is used where nothing else is asked for.
  public static let `default` = WinogradTile.twoByFour

  /// The key of a convolution's metadata that asks for the largest tile.
  public static let metadataKey = "dsd.winograd"

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

  /// The largest tile that a node's metadata asks for.
  /// - Throws: `DataError` when there is none of that name.
  init(_ attributes: Attributes) throws {
    guard let text = attributes.metadata[WinogradTile.metadataKey] else {
      self = .default
      return
    }
    guard let tile = WinogradTile(rawValue: text) else {
      let known = WinogradTile.allCases.map(\.rawValue).joined(separator: ", ")
      throw DataError("metadata '\(WinogradTile.metadataKey)': '\(text)' is not one of \(known)")
    }
    self = tile
  }
}

extension PanelKernels {
  func winograd(_ tile: WinogradTile) -> ck_winograd { tile.transforms(functions) }
}
