import CommandLineSupport

/// A part of a run, written `NUMBER/COUNT`: the items whose place, counted from 0, leaves `NUMBER − 1` when it is
/// divided by `COUNT`.
struct ShardArgument: ExpressibleByArgument {
  let number, count: Int

  init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let number = parts[0], let count = parts[1], (1...100_000).contains(count),
      (1...count).contains(number)
    else { return nil }
    self.number = number
    self.count = count
  }

  func takes(_ place: Int) -> Bool { place % count == number - 1 }

  var description: String { "\(number)/\(count)" }
}
