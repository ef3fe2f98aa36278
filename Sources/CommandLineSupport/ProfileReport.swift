import Foundation

/// A profile as a table for people.
public enum ProfileReport {
  public static func table(_ profile: Profile) -> String {
    let entries = profile.byOperator
    let total = entries.reduce(0) { $0 + $1.seconds }
    var table = TextTable(["operator", "calls", "seconds", "share", "GFLOP/s"], right: [1, 2, 3, 4])
    for entry in entries {
      let rate =
        entry.multiplyAdds == 0
        ? "" : String(format: "%.0f", 2e-9 * Double(entry.multiplyAdds) / entry.seconds)
      table.rows.append([
        entry.op, String(entry.calls), String(format: "%.4f", entry.seconds),
        String(format: "%.1f %%", 100 * entry.seconds / max(total, 1e-9)), rate,
      ])
    }
    table.rows.append(["all", "", String(format: "%.4f", total), "", ""])
    return table.text
  }
}
