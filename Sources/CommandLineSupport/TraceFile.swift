import Foundation

/// A profile as a timeline in Chrome's trace-event format, which `chrome://tracing`, Perfetto and Speedscope show.
public struct TraceFile: Encodable {
  /// A complete event: something that began and ended.
  struct Event: Encodable {
    let name: String
    let cat: String
    let ph = "X"
    let pid = 1
    let tid = 1
    /// Microseconds.
    let ts: Double
    let dur: Double
    let args: [String: String]

    private enum CodingKeys: String, CodingKey { case name, cat, ph, pid, tid, ts, dur, args }
  }

  let traceEvents: [Event]
  let displayTimeUnit = "ms"

  private enum CodingKeys: String, CodingKey { case traceEvents, displayTimeUnit }

  /// Every run of a node, under a span for each scope that nodes in a row are in.
  public init(_ profile: Profile) {
    let runs = profile.events.sorted { ($0.start, $0.depth) < ($1.start, $1.depth) }
    traceEvents = TraceFile.scopes(runs.filter { $0.depth == 0 }) + runs.map(TraceFile.event)
  }

  /// - Throws: `DataError` that names the file when it cannot be written.
  public func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(Array(try encoder.encode(self)), to: path)
  }

  private static func event(_ run: Profile.Event) -> Event {
    var args = ["op": run.op, "node": run.node]
    args["outputs"] = run.outputs.joined(separator: ", ")
    if run.multiplyAdds > 0 { args["multiply_adds"] = String(run.multiplyAdds) }
    return Event(
      name: run.op, cat: "node", ts: 1e6 * run.start, dur: 1e6 * run.seconds, args: args)
  }

  private static func scopes(_ runs: [Profile.Event]) -> [Event] {
    var open: [(name: String, start: Double)] = []
    var spans: [Event] = []
    var end = 0.0
    func close(to depth: Int) {
      while open.count > depth {
        let scope = open.map(\.name).joined(separator: "/")
        let (name, start) = open.removeLast()
        spans.append(
          Event(
            name: name, cat: "scope", ts: 1e6 * start, dur: 1e6 * (end - start),
            args: ["scope": scope]))
      }
    }
    for run in runs {
      close(to: zip(run.scope, open).prefix { $0 == $1.name }.count)
      for part in run.scope.dropFirst(open.count) { open.append((part, run.start)) }
      end = run.start + run.seconds
    }
    close(to: 0)
    return spans
  }
}
