import Foundation

/// Times of a graph's parts, for people and as JSON.
public struct BenchReport: Encodable {
  /// One node: the median of its runs.
  public struct NodeTimes: Encodable {
    let node, op: String
    let outputs: [String]
    let seconds: Double
    let multiplyAdds: Int

    enum CodingKeys: String, CodingKey {
      case node, op, outputs, seconds
      case multiplyAdds = "multiply_adds"
    }
  }

  /// What is run by itself.
  public struct Part: Encodable {
    let name: String
    let firstSeconds: Double
    /// In the order of the runs.
    let seconds: [Double]
    let multiplyAdds: Int
    /// Beside the weights.
    let peakBytes: Int
    /// Slowest first.
    let nodes: [NodeTimes]

    enum CodingKeys: String, CodingKey {
      case name, seconds, nodes
      case firstSeconds = "first_seconds"
      case multiplyAdds = "multiply_adds"
      case peakBytes = "peak_bytes"
    }

    /// - Parameters:
    ///   - seconds: of runs without the profile.
    ///   - profile: of as many other runs, with single events.
    public init(_ name: String, _ plan: Plan, first: Double, seconds: [Double], _ profile: Profile) {
      self.name = name
      firstSeconds = first
      self.seconds = seconds
      multiplyAdds = plan.multiplyAdds
      peakBytes = plan.peakBytes
      let runs = Dictionary(grouping: profile.events.filter { $0.depth == 0 }, by: \.node)
      nodes = runs.map { node, events in
        NodeTimes(
          node: node, op: events[0].op, outputs: events[0].outputs,
          seconds: BenchReport.median(events.map(\.seconds)), multiplyAdds: events[0].multiplyAdds)
      }.sorted { ($1.seconds, $0.node) < ($0.seconds, $1.node) }
    }
  }

  let graph: String
  let version = Program.version
  let processor: String
  let threads: Int
  let precision: String
  let loadSeconds, planSeconds: Double
  public var parts: [Part] = []
  /// Operations a second of a product of matrices on this machine.
  public var peak = 0.0

  enum CodingKeys: String, CodingKey {
    case graph, version, processor, threads, precision, parts
    case loadSeconds = "load_seconds"
    case planSeconds = "plan_seconds"
    case peak = "peak_flops"
  }

  public init(graph: String, threads: Int, precision: String, loadSeconds: Double, planSeconds: Double) {
    self.graph = graph
    self.threads = threads
    self.precision = precision
    self.loadSeconds = loadSeconds
    self.planSeconds = planSeconds
    processor = BenchReport.processorName
  }

  /// As the system names it.
  private static var processorName: String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
    return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
  }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard let last = sorted.indices.last else { return 0 }
    return (sorted[last / 2] + sorted[(last + 1) / 2]) / 2
  }

  /// - Parameter nodes: how many are listed of each part.
  public func text(nodes: Int) -> String {
    func milliseconds(_ seconds: Double) -> String { String(format: "%.3f", seconds * 1e3) }
    func rate(_ multiplyAdds: Int, _ seconds: Double) -> [String] {
      guard multiplyAdds > 0 else { return ["", ""] }
      let rate = 2 * Double(multiplyAdds) / max(seconds, 1e-9)
      return [String(format: "%.0f", rate * 1e-9), String(format: "%.0f", 100 * rate / peak)]
    }
    var blocks = [
      "\(graph): \(processor), \(threads) thread\(threads == 1 ? "" : "s"), \(precision); "
        + String(format: "read in %.2f s, planned in %.2f s", loadSeconds, planSeconds)
    ]
    var table = TextTable(
      ["part", "median ms", "least", "most", "first", "GFLOP/s", "% of peak", "memory"],
      right: [1, 2, 3, 4, 5, 6, 7])
    for part in parts {
      let median = BenchReport.median(part.seconds)
      table.rows.append(
        [
          part.name, milliseconds(median), milliseconds(part.seconds.min() ?? 0),
          milliseconds(part.seconds.max() ?? 0), milliseconds(part.firstSeconds),
        ] + rate(part.multiplyAdds, median) + [Terminal.bytes(part.peakBytes)])
    }
    blocks.append(table.text)
    for part in parts where nodes > 0 && !part.nodes.isEmpty {
      let total = part.nodes.reduce(0) { $0 + $1.seconds }
      var operators = TextTable(
        ["operator", "nodes", "ms", "share", "GFLOP/s", "% of peak"], right: [1, 2, 3, 4, 5])
      let byOperator = Dictionary(grouping: part.nodes, by: \.op).map { op, nodes in
        (op, nodes.count, nodes.reduce(0) { $0 + $1.seconds }, nodes.reduce(0) { $0 + $1.multiplyAdds })
      }.sorted { ($1.2, $0.0) < ($0.2, $1.0) }
      for (op, count, seconds, work) in byOperator {
        operators.rows.append(
          [op, "\(count)", milliseconds(seconds), String(format: "%.1f %%", 100 * seconds / total)]
            + rate(work, seconds))
      }
      var list = TextTable(
        ["node", "operator", "output", "ms", "share", "GFLOP/s", "% of peak"], right: [3, 4, 5, 6])
      for node in part.nodes.prefix(nodes) {
        list.rows.append(
          [
            node.node, node.op, node.outputs.first ?? "", milliseconds(node.seconds),
            String(format: "%.1f %%", 100 * node.seconds / total),
          ] + rate(node.multiplyAdds, node.seconds))
      }
      if part.nodes.count > nodes {
        let rest = part.nodes.dropFirst(nodes).reduce(0) { $0 + $1.seconds }
        list.rows.append([
          "(\(part.nodes.count - nodes) others)", "", "", milliseconds(rest),
          String(format: "%.1f %%", 100 * rest / total), "", "",
        ])
      }
      blocks.append("\(part.name)\n\(operators.text)")
      blocks.append(list.text)
    }
    blocks.append(
      String(format: "%% of peak: of %.0f GFLOP/s that a product of matrices reaches here", peak * 1e-9))
    return blocks.joined(separator: "\n\n")
  }
}
