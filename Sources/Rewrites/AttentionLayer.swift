import Foundation
import GraphIR

/// One attention layer of a graph: its name in diffusers' terms and whether it looks at the text.
public struct AttentionLayer: Sendable, Equatable {
  public enum Role: String, Sendable {
    case selfAttention = "self"
    case cross
  }

  /// diffusers' module name, such as `down_blocks.2.attentions.1.transformer_blocks.0.attn2`, or the node's
  /// name where the graph does not tell.
  public let name: String
  public let role: Role
  /// The name of the node.
  public let node: String

  public init(name: String, role: Role, node: String) {
    self.name = name
    self.role = role
    self.node = node
  }

  /// Reads the tags of an attention node, and finds out what they do not say.
  ///
  /// Without tags a layer is cross-attention when its keys do not depend on something that its queries depend
  /// on: the keys come from the text alone, the queries from the image.
  /// - Parameter dependencies: gives the graph inputs that a value depends on.
  public init?(_ node: Node, dependencies: (String) -> Set<String>) {
    guard node.op == "Attention", node.domain.isEmpty || node.domain == "dsd", node.inputs.count >= 3
    else { return nil }
    self.node = node.name
    name = node.metadata["dsd.layer"] ?? AttentionLayer.found(in: node) ?? node.name
    if let tag = node.metadata["dsd.role"], let role = Role(rawValue: tag) {
      self.role = role
    } else {
      let queries = dependencies(node.inputs[0])
      let keys = dependencies(node.inputs[1])
      role = !keys.isEmpty && !queries.isSubset(of: keys) ? .cross : .selfAttention
    }
  }

  /// The module name inside a node's name or an exporter's scope notes.
  private static func found(in node: Node) -> String? {
    let notes = [node.metadata["pkg.torch.onnx.name_scopes"], node.name].compactMap { $0 }
    for note in notes {
      let dotted = note.replacingOccurrences(of: "/", with: ".")
      if let match = dotted.firstMatch(
        of: /((down_blocks|up_blocks)\.\d+|mid_block)\.attentions\.\d+\.transformer_blocks\.\d+\.attn\d+/)
      {
        return String(match.0)
      }
    }
    return nil
  }

  /// The place of the layer in a UNet, if its name tells.
  public var place: Place? {
    guard
      let match = name.wholeMatch(
        of: /(?:(down_blocks|up_blocks)\.(\d+)|(mid_block))\.attentions\.(\d+)\.transformer_blocks\.(\d+)\..*/
      ),
      let attention = Int(match.4), let block = Int(match.5)
    else { return nil }
    let part = match.3.map(String.init) ?? String(match.1!)
    return Place(
      part: part, block: match.2.flatMap { Int($0) } ?? 0, attention: attention, transformerBlock: block)
  }

  public struct Place: Sendable {
    public let part: String
    public let block: Int
    public let attention: Int
    public let transformerBlock: Int
  }
}
