import GraphIR

/// Trades time for memory in a graph with gradients: values made inside a block of the forward part that only the
/// backward part reads are computed a second time, from what the block reads, right before they are needed.
///
/// A block is a scope, such as `unet/down_blocks.0`. What a block hands on to other parts is kept. The copies have
/// the scope `recomputed`; their inputs pass through `dsd.After`, which keeps them from being merged with the
/// originals. The arithmetic is the same, and so are the results, bit for bit.
public struct Recomputation: GraphRewrite {
  public var name: String { "recomputation" }
  private let block: @Sendable ([String]) -> String?

  /// Blocks are the outermost scopes that match one of the patterns.
  public init(blocks: [Glob]) {
    block = { scope in
      var path = ""
      for part in scope {
        path += path.isEmpty ? part : "/" + part
        if blocks.contains(where: { $0.matches(path) }) { return path }
      }
      return nil
    }
  }

  /// Patterns as a command line gives them, or `auto` for ``automatic``; nil when there are none.
  public init?(patterns: [String]) {
    if patterns.isEmpty { return nil }
    self = patterns == ["auto"] ? .automatic : Recomputation(blocks: patterns.map { Glob($0) })
  }

  private init(_ block: @escaping @Sendable ([String]) -> String?) { self.block = block }

  /// Blocks are numbered modules, and those numbered inside them: `text_encoder/layers.3` and
  /// `unet/down_blocks.0/attentions.1`.
  public static let automatic = Recomputation { scope in
    let numbered = scope.indices.filter { position in
      let parts = scope[position].split(separator: ".")
      return parts.count > 1 && parts.last?.allSatisfy(\.isNumber) ?? false
    }
    return numbered.prefix(2).last.map { scope[...$0].joined(separator: "/") }
  }

  public func apply(_ graph: Graph, _ context: RewriteContext) throws -> Graph {
    var result = try graph.sorted()
    var blocks: [String] = []
    var seen: Set<String> = []
    for node in result.nodes where !Recomputation.isBackward(node) {
      if let own = block(node.scope), seen.insert(own).inserted { blocks.append(own) }
    }
    let fixed = Recomputation.fixedValues(result)
    // The backward part comes to the last block first.
    for own in blocks.reversed() {
      let positions = result.nodes.indices.filter {
        !Recomputation.isBackward(result.nodes[$0]) && block(result.nodes[$0].scope) == own
      }
      let recomputed = RecomputedBlock(own, result, Set(positions), fixed: fixed, altered: context.altered)
      if let recomputed { result = recomputed.graph }
    }
    return result
  }

  static func isBackward(_ node: Node) -> Bool { node.scope.first == "gradient" }

  /// Values that depend on constants alone: computing them again would cost time for nothing.
  private static func fixedValues(_ graph: Graph) -> Set<String> {
    var fixed = Set(graph.initializers.keys).subtracting(graph.inputs.map(\.name))
    for node in graph.nodes where GraphIndex.uses(of: node).allSatisfy(fixed.contains) {
      fixed.formUnion(node.outputs)
    }
    return fixed
  }
}
