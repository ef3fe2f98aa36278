import Testing

@testable import Diffusion

/// The heap-based encoder against the textbook loop: merge the leftmost pair of the lowest rank, repeat.
struct BytePairEncoderTests {
  private func plain(_ word: String, _ ranks: [String: Int]) -> [String] {
    var parts = word.utf8.map { String(ByteAlphabet.characters[Int($0)]) }
    if let last = parts.popLast() { parts.append(last + "</w>") }
    while true {
      let pairs = parts.indices.dropLast().compactMap { i in
        ranks["\(parts[i]) \(parts[i + 1])"].map { (rank: $0, at: i) }
      }
      guard let best = pairs.min(by: { $0 < $1 }) else { return parts }
      parts.replaceSubrange(best.at...best.at + 1, with: [parts[best.at] + parts[best.at + 1]])
    }
  }

  @Test func agreesWithTheTextbook() throws {
    // Random merges over three letters, built only from tokens that exist.
    var random = TorchRandom(seed: 5)
    var tokens = ["a", "b", "c", "a</w>", "b</w>", "c</w>"]
    var merges: [String] = []
    while merges.count < 40 {
      let left = tokens[random.next(below: tokens.count)]
      let right = tokens[random.next(below: tokens.count)]
      if left.hasSuffix("</w>") || merges.contains("\(left) \(right)") { continue }
      merges.append("\(left) \(right)")
      if !tokens.contains(left + right) { tokens.append(left + right) }
    }
    let all = TinyTokenizer.bytes + TinyTokenizer.bytes.map { $0 + "</w>" }
    let names = all + tokens.filter { !all.contains($0) } + ["<|startoftext|>", "<|endoftext|>"]
    let vocabulary = names.enumerated().map { "\(TinyTokenizer.quoted($1)): \($0)" }
    let folder = try TinyTokenizer.folder([
      "vocab.json": "{" + vocabulary.joined(separator: ",") + "}",
      "merges.txt": merges.joined(separator: "\n"),
    ])
    let tokenizer = try CLIPTokenizer(folder: folder.path)
    let ranks = Dictionary(uniqueKeysWithValues: merges.enumerated().map { ($1, $0) })
    for length in 1...60 {
      let word = String((0..<length).map { _ in ["a", "b", "c"][random.next(below: 3)] as Character })
      #expect(tokenizer.tokens(for: word).map(\.text) == plain(word, ranks), "\(word)")
    }
  }
}

/// Reproducible small integers for tests.
struct TorchRandom {
  private var twister: MersenneTwister
  init(seed: UInt32) { twister = MersenneTwister(seed: seed) }
  mutating func next(below limit: Int) -> Int { Int(twister.next() >> 1) % limit }
}
