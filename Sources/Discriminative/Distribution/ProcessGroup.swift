import Foundation

/// Processes that work on one job together. Every process makes the same calls in the same order.
public protocol ProcessGroup: AnyObject {
  /// This process's number, from 0.
  var rank: Int { get }
  /// How many processes there are.
  var size: Int { get }

  /// Replaces every element by its sum over all processes.
  func allReduce(_ values: inout [Double]) throws

  /// The bytes of rank 0, in every process.
  func broadcast(_ bytes: [UInt8]) throws -> [UInt8]

  /// The bytes of all processes by rank, one after the other; in rank 0 only.
  /// - Parameter take: told rank and bytes, in rank 0.
  func gather(_ bytes: [UInt8], take: (Int, [UInt8]) throws -> Void) throws
}

extension ProcessGroup {
  /// Whether it is so in some process.
  public func any(_ value: Bool) throws -> Bool {
    var values = [value ? 1.0 : 0]
    try allReduce(&values)
    return values[0] > 0
  }

  /// Refuses to go on when a process has something else than rank 0.
  /// - Parameters:
  ///   - digest: of what has to be the same.
  ///   - what: that, in words.
  /// - Throws: `DataError` that names the rank.
  public func agree(on digest: String, _ what: String) throws {
    guard try broadcast(digest) == digest else {
      throw DataError("rank \(rank): has other \(what) than rank 0; they have to be the same on all machines")
    }
  }

  /// A value of rank 0, in every process.
  func broadcast<T: Codable>(_ value: T) throws -> T {
    let bytes = try broadcast(rank == 0 ? Array(JSONEncoder().encode(value)) : [])
    return try JSONDecoder().decode(T.self, from: Data(bytes))
  }

  /// The values of all processes; in rank 0 only, elsewhere none.
  func gather<T: Codable>(_ value: T) throws -> [T] {
    var result: [T] = []
    try gather(Array(JSONEncoder().encode(value))) { _, bytes in
      result.append(try JSONDecoder().decode(T.self, from: Data(bytes)))
    }
    return result
  }

  /// The part of some places that is this process's: every `size`th.
  func share<T>(_ places: [T]) -> [T] {
    stride(from: rank, to: places.count, by: size).map { places[$0] }
  }
}
