import Foundation

/// A profile for people: by operator and by scope.
public enum ProfileReport {
  /// Rows of the table of scopes; the rest is one row.
  private static let scopeLimit = 40

  /// - Parameter depth: how many of a node's scopes, from the outermost, are told apart.
  public static func table(_ profile: Profile, depth: Int) -> String {
    var scopes = profile.byScope(depth: depth)
    let rest = scopes.dropFirst(scopeLimit)
    scopes = Array(scopes.prefix(scopeLimit))
    var text = table("operator", profile.byOperator.map { ($0.op, $0) })
    guard scopes.contains(where: { !$0.scope.isEmpty }) else { return text }
    var rows = scopes.map { ($0.scope.isEmpty ? "(no scope)" : $0.scope.joined(separator: "/"), $0) }
    if var sum = rest.first {
      for entry in rest.dropFirst() { sum.add(entry) }
      rows.append(("(\(rest.count) others)", sum))
    }
    text += "\n\n" + table("scope", rows)
    return text
  }

  private static func table(_ title: String, _ rows: [(name: String, entry: Profile.Entry)]) -> String {
    let total = rows.reduce(0) { $0 + $1.entry.seconds }
    var table = TextTable([title, "calls", "seconds", "share", "GFLOP/s"], right: [1, 2, 3, 4])
    for (name, entry) in rows {
      let rate =
        entry.multiplyAdds == 0
        ? "" : String(format: "%.0f", 2e-9 * Double(entry.multiplyAdds) / max(entry.seconds, 1e-9))
      table.rows.append([
        name, String(entry.calls), String(format: "%.4f", entry.seconds),
        String(format: "%.1f %%", 100 * entry.seconds / max(total, 1e-9)), rate,
      ])
    }
    let calls = rows.reduce(0) { $0 + $1.entry.calls }
    table.rows.append(["all", String(calls), String(format: "%.4f", total), "", ""])
    return table.text
  }
}
