import Foundation

/// A profile for people: by operator and by scope.
public enum ProfileReport {
  /// Rows of the table of scopes; the rest is one row.
  private static let scopeLimit = 40

  /// - Parameters:
  ///   - depth: how many of a node's scopes, from the outermost, are told apart.
  ///   - peak: operations a second that products reach on this machine.
  public static func table(_ profile: Profile, depth: Int, peak: Double) -> String {
    var scopes = profile.byScope(depth: depth)
    let rest = scopes.dropFirst(scopeLimit)
    scopes = Array(scopes.prefix(scopeLimit))
    var text = table("operator", profile.byOperator.map { ($0.op, $0) }, peak)
    guard scopes.contains(where: { !$0.scope.isEmpty }) else { return text }
    var rows = scopes.map { ($0.scope.isEmpty ? "(no scope)" : $0.scope.joined(separator: "/"), $0) }
    if var sum = rest.first {
      for entry in rest.dropFirst() { sum.add(entry) }
      rows.append(("(\(rest.count) others)", sum))
    }
    text += "\n\n" + table("scope", rows, peak)
    text += String(
      format: "\n\n%% of peak: of %.0f GFLOP/s that a product of matrices reaches here", peak * 1e-9)
    return text
  }

  private static func table(
    _ title: String, _ rows: [(name: String, entry: Profile.Entry)], _ peak: Double
  ) -> String {
    let total = rows.reduce(0) { $0 + $1.entry.seconds }
    var table = TextTable(
      [title, "calls", "seconds", "share", "GFLOP/s", "% of peak", "GB/s"], right: [1, 2, 3, 4, 5, 6])
    for (name, entry) in rows {
      let rate = 2 * Double(entry.multiplyAdds) / max(entry.seconds, 1e-9)
      let bytes = Double(entry.bytes) / max(entry.seconds, 1e-9)
      table.rows.append([
        name, String(entry.calls), String(format: "%.4f", entry.seconds),
        String(format: "%.1f %%", 100 * entry.seconds / max(total, 1e-9)),
        entry.multiplyAdds == 0 ? "" : String(format: "%.0f", rate * 1e-9),
        entry.multiplyAdds == 0 ? "" : String(format: "%.0f", 100 * rate / peak),
        entry.bytes == 0 ? "" : String(format: "%.1f", bytes * 1e-9),
      ])
    }
    let calls = rows.reduce(0) { $0 + $1.entry.calls }
    table.rows.append(["all", String(calls), String(format: "%.4f", total), "", "", "", ""])
    return table.text
  }
}
