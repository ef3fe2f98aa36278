#if canImport(Glibc)
  import Glibc
#endif

/// A block of bytes that tensors share: owned memory, a mapped file, or memory that something else keeps.
///
/// Contents are not synchronised: who writes must be the only user at that time, which the executor's
/// plan guarantees.
public final class Storage: @unchecked Sendable {
  public let base: UnsafeMutableRawPointer
  public let byteCount: Int
  /// Whether the bytes are those of a mapped file, which can be read again.
  public let isFile: Bool
  private let release: (() -> Void)?

  /// Alignment of owned memory, in bytes: a cache line, and the widest vector register.
  public static let alignment = 64

  /// Where the system gives large pages to who asks, large blocks ask: products read and write rows far apart.
  private static let hugePage = 1 << 21

  /// Owned, uninitialised memory of at least one byte.
  public init(byteCount: Int) {
    precondition(byteCount >= 0)
    self.byteCount = byteCount
    let isLarge = byteCount >= 2 * Storage.hugePage
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: max(byteCount, 1), alignment: isLarge ? Storage.hugePage : Storage.alignment)
    if isLarge { madvise(memory, byteCount / Storage.hugePage * Storage.hugePage, MADV_HUGEPAGE) }
    base = memory
    isFile = false
    release = { memory.deallocate() }
  }

  /// Zeros that take memory only where they are touched.
  /// - Parameter inLargePages: takes it in large pages, for memory that is going to be used as a whole.
  /// - Throws: `DataError` when there are not even addresses for them.
  public init(reserving byteCount: Int, inLargePages: Bool = false) throws {
    let size = max(byteCount, 1)
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
    guard byteCount >= 0, let memory = mmap(nil, size, PROT_READ | PROT_WRITE, flags, -1, 0),
      memory != MAP_FAILED
    else { throw DataError("\(byteCount) bytes of memory cannot be reserved") }
    self.byteCount = byteCount
    if inLargePages { madvise(memory, size, MADV_HUGEPAGE) }
    base = memory
    isFile = false
    release = { munmap(memory, size) }
  }

  /// Bytes of memory that there are: the machine's, or those that `DSD_MEMORY_LIMIT` grants (in MiB).
  public static let machineBytes: Int = {
    let all = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
    guard let text = getenv("DSD_MEMORY_LIMIT"), let limit = Int(String(cString: text)), limit > 0,
      limit < all >> 20
    else { return all }
    return limit << 20
  }()

  /// Checks that something is not larger than all of ``machineBytes``.
  /// - Throws: `DataError` that says how large `what` is.
  public static func checkFits(_ byteCount: Int, _ what: String) throws {
    guard byteCount > machineBytes else { return }
    let mebibytes = (byteCount >> 20, machineBytes >> 20)
    throw DataError("\(what) takes \(mebibytes.0) MiB of memory, there are \(mebibytes.1)")
  }

  /// Memory that `owner` keeps alive, such as an arena or a mapped file.
  public init(base: UnsafeMutableRawPointer, byteCount: Int, owner: AnyObject?, isFile: Bool = false) {
    self.base = base
    self.byteCount = byteCount
    self.isFile = isFile
    release = owner.map { kept in { withExtendedLifetime(kept) {} } }
  }

  deinit { release?() }

  /// Gives back the memory of a range of a mapped file, whole pages around it: what is touched later is read from the
  /// file again. Does nothing to other memory.
  public func releasePages(_ range: Range<Int>) {
    guard isFile, !range.isEmpty else { return }
    let page = sysconf(Int32(_SC_PAGESIZE))
    let start = range.lowerBound / page * page
    madvise(base + start, min(range.upperBound, byteCount) - start, MADV_DONTNEED)
  }
}

/// A file mapped for reading. Pages come in as they are touched and cost no copy.
public final class MappedFile: Sendable {
  public let path: String
  public let storage: Storage

  /// Maps the whole of a regular file.
  /// - Throws: `DataError` that names the file when it cannot be opened, is a folder, or cannot be mapped.
  public init(path: String) throws {
    self.path = path
    // Opening a pipe must not wait for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw DataError("\(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      throw DataError("\(path): \(String(cString: strerror(errno)))")
    }
    guard status.st_mode & S_IFMT == S_IFREG else { throw DataError("\(path): not a regular file") }
    let size = Int(status.st_size)
    guard size > 0 else {
      storage = Storage(byteCount: 0)
      return
    }
    guard let address = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), address != MAP_FAILED
    else { throw DataError("\(path): \(String(cString: strerror(errno)))") }
    storage = Storage(
      base: address, byteCount: size, owner: Mapping(address: address, size: size), isFile: true)
  }

  public var byteCount: Int { storage.byteCount }

  /// Calls `body` with all bytes of a file, which stays mapped for as long as the call takes. An error of
  /// `body` gets the file's name in front.
  public static func withBytes<T>(
    of path: String, _ body: (UnsafeRawBufferPointer) throws -> T
  ) throws -> T {
    let file = try MappedFile(path: path)
    return try withExtendedLifetime(file) {
      do { return try body(file.bytes) } catch let error as DataError { throw error.at(path) }
    }
  }

  /// All bytes, valid while the file object lives.
  public var bytes: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: storage.base, count: storage.byteCount)
  }

  private final class Mapping {
    let address: UnsafeMutableRawPointer
    let size: Int
    init(address: UnsafeMutableRawPointer, size: Int) {
      self.address = address
      self.size = size
    }
    deinit { munmap(address, size) }
  }
}
