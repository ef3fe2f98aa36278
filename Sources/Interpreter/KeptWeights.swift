import GraphIR
import Synchronization

/// Weights in the layouts of kernels, shared by all plans of a preparation and of those beside it.
final class KeptWeights: Sendable {
  /// Bytes that one plan's may take: a plan that would need more lays weights out in every run, which costs a large
  /// model little.
  static let planLimit = 256 << 20

  private struct Key: Hashable {
    let weight: UInt
    let layout: String
  }

  private struct Entry {
    // Keeps the address that is the key from being another tensor's.
    let weight: Tensor
    let storage: Storage
  }

  private let entries = Mutex<[Key: Entry]>([:])

  /// Bytes of all that is kept.
  var byteCount: Int { entries.withLock { $0.values.reduce(0) { $0 + $1.storage.byteCount } } }

  /// The operator that reads the weight from its layout.
  func reading(_ keepable: KeepableWeight, pool: ThreadPool) -> any Operator {
    let key = Key(weight: UInt(bitPattern: keepable.weight.pointer), layout: keepable.layout)
    let storage = entries.withLock { entries in
      if let known = entries[key] { return known.storage }
      let storage = Storage(byteCount: keepable.byteCount)
      keepable.fill(storage.base, pool)
      entries[key] = Entry(weight: keepable.weight, storage: storage)
      return storage
    }
    return keepable.reading(storage)
  }
}
