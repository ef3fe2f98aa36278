import CMPI
import Discriminative
import Foundation

/// The processes that Open MPI's `mpirun` has started.
public final class MPIProcessGroup: ProcessGroup {
  public let rank, size: Int

  /// How many of the processes are on this machine.
  public static var localSize: Int? {
    ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_LOCAL_SIZE"].flatMap { Int($0) }
  }

  /// Whether `mpirun` has started this process together with others.
  public static var isAsked: Bool {
    (ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_SIZE"].flatMap { Int($0) } ?? 1) > 1
  }

  /// Joins the group; to be called once, on the thread that makes all further calls.
  /// - Throws: `DataError` when Open MPI cannot be used.
  public init() throws {
    if let reason = cmpi_start() { throw DataError("mpirun: \(String(cString: reason))") }
    rank = Int(cmpi_rank())
    size = Int(cmpi_size())
  }

  /// How many cores `mpirun` lets this process use, when it is fewer than its share of the machine's.
  public var boundCores: Int? {
    let info = ProcessInfo.processInfo
    let share = info.processorCount / max(MPIProcessGroup.localSize ?? 1, 1)
    return info.activeProcessorCount < share ? info.activeProcessorCount : nil
  }

  /// Leaves the group: without it `mpirun` takes the process for one that has failed.
  public func finish() { cmpi_finish() }

  private func check(_ code: Int32, _ what: String) throws {
    guard code == 0 else { throw DataError("mpirun: rank \(rank): \(what) failed (MPI error \(code))") }
  }

  public func allReduce(_ values: inout [Double]) throws {
    let count = values.count
    try check(values.withUnsafeMutableBufferPointer { cmpi_sum($0.baseAddress, count) }, "a sum")
  }

  public func broadcast(_ bytes: [UInt8]) throws -> [UInt8] {
    var count = Int64(bytes.count)
    try check(cmpi_broadcast(&count, 8, 0), "a broadcast")
    var result = rank == 0 ? bytes : [UInt8](repeating: 0, count: Int(count))
    try check(
      result.withUnsafeMutableBytes { cmpi_broadcast($0.baseAddress, Int(count), 0) }, "a broadcast")
    return result
  }

  public func gather(_ bytes: [UInt8], take: (Int, [UInt8]) throws -> Void) throws {
    guard rank == 0 else {
      var count = Int64(bytes.count)
      try check(cmpi_send(&count, 8, 0), "sending")
      return try check(bytes.withUnsafeBytes { cmpi_send($0.baseAddress, bytes.count, 0) }, "sending")
    }
    try take(0, bytes)
    for other in 1..<size {
      var count: Int64 = 0
      try check(cmpi_receive(&count, 8, Int32(other)), "receiving")
      var received = [UInt8](repeating: 0, count: Int(count))
      try check(
        received.withUnsafeMutableBytes { cmpi_receive($0.baseAddress, Int(count), Int32(other)) },
        "receiving")
      try take(other, received)
    }
  }
}
