#if canImport(Glibc)
  import Glibc
#endif

/// A fixed set of threads that share out the iterations of a loop.
///
/// Work is cut into items by the caller, never by the pool, and each item is computed by one thread in one
/// order: results do not depend on the number of threads.
public final class ThreadPool: @unchecked Sendable {
  public let threadCount: Int
  private let state: UnsafeMutablePointer<State>

  private struct State {
    var mutex = pthread_mutex_t()
    var wake = pthread_cond_t()
    var finished = pthread_cond_t()
    var generation = 0
    /// Workers that have yet to start, or to stop.
    var active = 0
    /// Workers that take items.
    var running = 0
    var stopping = false
    var next = 0
    var count = 0
    var body: ((Int) -> Void)?
  }

  /// A pool of `threads` threads, the calling one included; fewer where the system does not give as many.
  public init(threads: Int) {
    state = .allocate(capacity: 1)
    state.initialize(to: State())
    pthread_mutex_init(&state.pointee.mutex, nil)
    pthread_cond_init(&state.pointee.wake, nil)
    pthread_cond_init(&state.pointee.finished, nil)
    let wanted = max(1, threads)
    state.pointee.active = wanted - 1
    var started = 0
    for _ in 1..<wanted {
      var thread = pthread_t()
      var attributes = pthread_attr_t()
      pthread_attr_init(&attributes)
      pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
      // The worker's argument is the state alone, so that the pool can be released while it sleeps.
      if pthread_create(&thread, &attributes, ThreadPool.worker, state) == 0 { started += 1 }
      pthread_attr_destroy(&attributes)
    }
    threadCount = started + 1
    pthread_mutex_lock(&state.pointee.mutex)
    state.pointee.active -= wanted - threadCount
    while state.pointee.active > 0 { pthread_cond_wait(&state.pointee.finished, &state.pointee.mutex) }
    pthread_mutex_unlock(&state.pointee.mutex)
  }

  deinit {
    pthread_mutex_lock(&state.pointee.mutex)
    state.pointee.stopping = true
    state.pointee.active = threadCount - 1
    pthread_cond_broadcast(&state.pointee.wake)
    while state.pointee.active > 0 { pthread_cond_wait(&state.pointee.finished, &state.pointee.mutex) }
    pthread_mutex_unlock(&state.pointee.mutex)
    // Workers may still be leaving the mutex; the few bytes of state are left to them.
  }

  private static let worker: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = {
    argument in
    let state = argument!.assumingMemoryBound(to: State.self)
    var seen = 0
    pthread_mutex_lock(&state.pointee.mutex)
    state.pointee.active -= 1
    if state.pointee.active == 0 { pthread_cond_signal(&state.pointee.finished) }
    while true {
      while state.pointee.generation == seen && !state.pointee.stopping {
        pthread_cond_wait(&state.pointee.wake, &state.pointee.mutex)
      }
      if state.pointee.stopping {
        state.pointee.active -= 1
        if state.pointee.active == 0 { pthread_cond_signal(&state.pointee.finished) }
        pthread_mutex_unlock(&state.pointee.mutex)
        return nil
      }
      seen = state.pointee.generation
      state.pointee.running += 1
      drain(state)
      state.pointee.running -= 1
      if state.pointee.running == 0 { pthread_cond_signal(&state.pointee.finished) }
    }
  }

  /// Takes items until none is left. The mutex is held on entry and on return.
  private static func drain(_ state: UnsafeMutablePointer<State>) {
    while state.pointee.next < state.pointee.count, let body = state.pointee.body {
      let item = state.pointee.next
      state.pointee.next += 1
      pthread_mutex_unlock(&state.pointee.mutex)
      body(item)
      pthread_mutex_lock(&state.pointee.mutex)
    }
  }

  /// Calls `body(0)` … `body(count - 1)`, each once, on the pool's threads. Not re-entrant: `body` must not
  /// call the same pool, and one thread uses a pool at a time.
  public func forEach(_ count: Int, _ body: (Int) -> Void) {
    if threadCount == 1 || count <= 1 {
      for item in 0..<max(count, 0) { body(item) }
      return
    }
    withoutActuallyEscaping(body) { body in
      pthread_mutex_lock(&state.pointee.mutex)
      state.pointee.body = body
      state.pointee.next = 0
      state.pointee.count = count
      state.pointee.generation += 1
      pthread_cond_broadcast(&state.pointee.wake)
      ThreadPool.drain(state)
      // A worker that wakes only now finds no item: small loops need not wait for it.
      while state.pointee.running > 0 { pthread_cond_wait(&state.pointee.finished, &state.pointee.mutex) }
      state.pointee.body = nil
      pthread_mutex_unlock(&state.pointee.mutex)
    }
  }

  /// Cuts `0..<count` into pieces of `grain` (the last may be shorter) and calls `body` on each.
  public func forRanges(_ count: Int, grain: Int, _ body: (Range<Int>) -> Void) {
    let step = max(grain, 1)
    forEach((count + step - 1) / step) { item in
      body(item * step..<min(count, (item + 1) * step))
    }
  }
}
