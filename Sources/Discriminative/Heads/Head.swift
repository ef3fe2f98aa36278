import Foundation

/// What turns the values of a pair of image and caption into its score: a small graph.
///
/// Its inputs bind by name to captured values, the output `score` is `[pairs]`, and the initializers that metadata marks
/// are learned. `Specs/heads.md` tells it from an empty file on.
public struct Head: Sendable, Equatable {
  /// The terms that a head can ask for by name; every other input is a value of the pipeline.
  public enum Term: String, Sendable, CaseIterable {
    /// s_l of the cross-attention layers, `[pairs, timesteps, layers]`.
    case attention
    /// ‖ε − ε̂(∅)‖ − ‖ε − ε̂(caption)‖, `[pairs, timesteps]`.
    case bias
    /// The mean over queries of the log-sum-exp of each attention head, layer after layer,
    /// `[pairs, timesteps, heads]`.
    case heads

    public var rank: Int { self == .bias ? 2 : 3 }
  }

  /// How the learned tensors come by their values.
  public enum Rule: String, Sendable {
    /// By steps down the gradient of the loss.
    case adamw
    /// Each becomes its importance: the mean over the examples of the loss's absolute gradient at the file's values,
    /// divided by the mean over its elements.
    case importance
  }

  /// A tensor that is learned.
  public struct Learned: Sendable, Equatable {
    public let name: String
    /// What each axis is as long as (`timesteps`, `layers`, `heads`), or nil where the file's extent stands.
    public let axes: [String?]
  }

  /// Keys of the graph's metadata.
  enum Key {
    static let name = "dsd.head"
    static let learned = "dsd.learned"
    static let rule = "dsd.rule"
    static let layers = "dsd.layers"
    static let timesteps = "dsd.timesteps"
    static let terms = "dsd.terms"
  }

  public static let output = "score"
  /// Names of extents that axes of learned tensors may grow to.
  static let extents = ["timesteps", "layers", "heads"]

  public let graph: Graph
  public let name: String
  public let learned: [Learned]
  public let rule: Rule
  /// The layers that it was trained on; nil where it takes any.
  public let layers: [String]?
  /// The noise levels that it was trained on; nil where it takes any.
  public let timesteps: [Int]?
  /// The terms that it was trained on; nil where it takes any.
  public let terms: MatchingOptions.Terms?

  /// Reads what a graph says about itself.
  /// - Throws: `DataError` that says what keeps it from being a head.
  public init(_ graph: Graph) throws {
    self.graph = graph
    let metadata = graph.metadata
    name = metadata[Key.name] ?? graph.name
    guard let rule = Rule(rawValue: metadata[Key.rule] ?? Rule.adamw.rawValue) else {
      throw DataError("metadata '\(Key.rule)': '\(metadata[Key.rule]!)' is neither adamw nor importance")
    }
    self.rule = rule
    learned = try Head.parse(metadata[Key.learned] ?? "", graph)
    layers = try metadata[Key.layers].map { text in
      guard case .array(let names)? = try? JSON(parsing: text), !names.isEmpty else {
        throw DataError("metadata '\(Key.layers)': not a list of names")
      }
      return try names.map {
        guard case .string(let name) = $0 else {
          throw DataError("metadata '\(Key.layers)': not a list of names")
        }
        return name
      }
    }
    timesteps = try metadata[Key.timesteps].map { text in
      let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
      guard numbers.allSatisfy({ $0 != nil }) else {
        throw DataError("metadata '\(Key.timesteps)': '\(text)' is not a list of numbers")
      }
      return numbers.map { $0! }
    }
    terms = try metadata[Key.terms].map { text in
      guard let terms = MatchingOptions.Terms(rawValue: text) else {
        throw DataError("metadata '\(Key.terms)': '\(text)' is not both, attention or bias")
      }
      return terms
    }
    try check()
  }

  private func check() throws {
    guard let output = graph.outputs.first(where: { $0.name == Head.output }) else {
      throw DataError("is no head: it has no output '\(Head.output)'")
    }
    if let rank = output.type?.rank, rank != 1 {
      throw DataError("is no head: its output '\(Head.output)' is \(output.type!), not [pairs]")
    }
    guard !graph.requiredInputs.isEmpty else { throw DataError("is no head: it has no inputs") }
    for input in graph.requiredInputs {
      guard let type = input.type, type.dtype == .float32, let rank = type.rank, rank > 0 else {
        throw DataError("input '\(input.name)': a head's is float32, and [pairs, …]")
      }
      guard let term = Term(rawValue: input.name), rank != term.rank else { continue }
      throw DataError("input '\(input.name)': is of rank \(rank), not \(term.rank)")
    }
  }

  /// `NAME:AXIS,AXIS;NAME;…`
  private static func parse(_ text: String, _ graph: Graph) throws -> [Learned] {
    func failure(_ reason: String) -> DataError { DataError("metadata '\(Key.learned)': \(reason)") }
    return try text.split(separator: ";").map { entry in
      let parts = entry.split(separator: ":", omittingEmptySubsequences: false).map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      guard parts.count <= 2 else { throw failure("'\(entry)' is not NAME:AXIS,AXIS") }
      guard let initializer = graph.initializers[parts[0]], initializer.dtype == .float32,
        initializer.tensor != nil
      else { throw failure("the graph has no float32 initializer '\(parts[0])'") }
      let rank = initializer.shape.count
      guard parts.count == 2 else {
        return Learned(name: parts[0], axes: [String?](repeating: nil, count: rank))
      }
      let axes = parts[1].split(separator: ",", omittingEmptySubsequences: false).map {
        $0.trimmingCharacters(in: .whitespaces)
      }
      guard axes.count == rank else {
        throw failure("'\(parts[0])' has \(rank) axes, not \(axes.count)")
      }
      return Learned(
        name: parts[0],
        axes: try axes.enumerated().map { axis, name in
          if name == "*" || Int(name) == initializer.shape[axis] { return nil }
          guard extents.contains(name) else {
            throw failure("'\(parts[0])': axis '\(name)' is none of \(extents.joined(separator: ", ")) and *")
          }
          return name
        })
    }
  }

  // MARK: What it reads

  /// The terms that it asks for.
  public var reads: Set<Term> { Set(graph.requiredInputs.compactMap { Term(rawValue: $0.name) }) }

  /// Values of the pipeline that it asks for, in its own order. With any the head runs for each timestep by itself.
  public var values: [String] { graph.requiredInputs.map(\.name).filter { Term(rawValue: $0) == nil } }

  /// Refuses a graph that lacks a value that the head reads.
  /// - Throws: `DataError` that names both.
  public func check(_ graph: Graph) throws {
    let names = graph.valueNames
    for value in values where !names.contains(value) {
      let terms = Term.allCases.map(\.rawValue).joined(separator: ", ")
      throw DataError("head '\(name)' reads '\(value)', which is none of \(terms) and no value of the graph")
    }
  }

  /// Refuses a run that the head cannot be part of.
  /// - Parameters:
  ///   - layers: names of the layers that are read.
  ///   - terms: what is computed.
  /// - Throws: `DataError` that names the option.
  public func check(timesteps: [Int], layers: [String], terms: MatchingOptions.Terms) throws {
    if let own = self.timesteps, own != timesteps {
      let list = { (steps: [Int]) in steps.map(String.init).joined(separator: ",") }
      throw DataError(
        "head '\(name)' was trained with --timesteps \(list(own)), this run has \(list(timesteps))")
    }
    if let own = self.terms, own != terms {
      throw DataError(
        "head '\(name)' was trained with --score \(own.rawValue), this run has \(terms.rawValue)")
    }
    if !reads.isDisjoint(with: [.attention, .heads]), terms == .bias {
      throw DataError("head '\(name)' reads attention, which --score bias does not compute")
    }
    if let own = self.layers, own != layers, !reads.isDisjoint(with: [.attention, .heads]) {
      throw DataError(
        "head '\(name)' was trained on other layers: \(own.count), the first '\(own[0])'; this run has "
          + "\(layers.count)\(layers.first.map { ", the first '\($0)'" } ?? "")")
    }
  }
}
