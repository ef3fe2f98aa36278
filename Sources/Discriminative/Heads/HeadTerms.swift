/// What a head reads of some pairs: the terms, and the values that it names.
public struct HeadTerms {
  public let pairs: Int
  public let timesteps: Int
  /// By input name: `[pairs, timesteps, …]`, float32.
  public private(set) var tensors: [String: Tensor] = [:]

  public init(pairs: Int, timesteps: Int) {
    self.pairs = pairs
    self.timesteps = timesteps
  }

  public subscript(name: String) -> Tensor? {
    get { tensors[name] }
    set {
      precondition(newValue.map { Array($0.shape.prefix(2)) == [pairs, timesteps] } ?? true)
      tensors[name] = newValue
    }
  }

  /// A term from its numbers.
  mutating func set(_ term: Head.Term, _ values: [Double]) {
    let width = values.count / max(pairs * timesteps, 1)
    self[term.rawValue] = Tensor(
      values.map { Float($0) }, shape: [pairs, timesteps] + (term.rank == 3 ? [width] : []))
  }

  /// The extents that learned tensors grow to. A head on values of the pipeline sees one timestep at a time.
  func extents(for head: Head) -> [String: Int] {
    var result = ["timesteps": head.values.isEmpty ? timesteps : 1]
    result["layers"] = self["attention"]?.shape[2]
    result["heads"] = self["heads"]?.shape[2]
    return result
  }

  /// Terms of other pairs: rows of several sources, and zeros where a row is nil.
  static func gather(_ rows: [(terms: HeadTerms, row: Int)?], like first: HeadTerms) -> HeadTerms {
    var result = HeadTerms(pairs: rows.count, timesteps: first.timesteps)
    for (name, tensor) in first.tensors {
      let gathered = Tensor.zeros(tensor.dtype, [rows.count] + tensor.shape.dropFirst())
      let bytes = tensor.pairs == 0 ? 0 : tensor.byteCount / tensor.pairs
      for (place, row) in rows.enumerated() {
        guard let row, let source = row.terms[name] else { continue }
        (gathered.pointer + place * bytes).copyMemory(
          from: source.pointer + row.row * bytes, byteCount: bytes)
      }
      result[name] = gathered
    }
    return result
  }
}

extension Tensor {
  fileprivate var pairs: Int { shape[0] }
}
