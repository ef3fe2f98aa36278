import Discriminative
import FlyingFox
import FlyingSocks
import Foundation

/// A local web page, and the same as JSON: images × captions scored by a pipeline graph.
///
/// `GET /` is the page, `GET /api/model` what the model is, `POST /api/score` scores; `Specs/serve.md` tells all of it.
public struct PlaygroundServer: Sendable {
  public var limits = PlaygroundLimits()
  /// An IPv4 or IPv6 address of this machine; only those who reach it are served.
  public var host = "127.0.0.1"
  /// 0 takes any that is free.
  public var port: UInt16 = 7860
  /// Told a line about each request that was computed, failed or was given up.
  public var log: @Sendable (String) -> Void = { _ in }

  private let model: PlaygroundModel

  public init(_ model: PlaygroundModel) { self.model = model }

  /// Serves until the task is cancelled.
  /// - Parameter listening: told the page's address once it can be opened.
  /// - Throws: `DataError` when the address cannot be listened at.
  public func run(listening: @escaping @Sendable (String) -> Void) async throws {
    PlaygroundServer.allowConnections()
    let server = HTTPServer(config: try configuration(), handler: handler())
    let announcement = Task {
      try await server.waitUntilListening(timeout: 3600)
      guard let address = await server.listeningAddress else { return }
      switch address {
      case .ip4(let host, let port): listening("http://\(host):\(port)/")
      case .ip6(let host, let port): listening("http://[\(host)]:\(port)/")
      case .unix(let path): listening(path)
      }
    }
    defer { announcement.cancel() }
    do {
      try await server.run()
    } catch let error as SocketError {
      throw DataError("--host \(host) --port \(port): \(PlaygroundServer.reason(error))")
    }
  }

  /// Seconds in which the body of a request has to arrive.
  static let arrival = 600.0

  /// As many connections as the system allows this process.
  private static func allowConnections() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }

  private func configuration() throws -> HTTPServer.Configuration {
    func configuration(_ address: some SocketAddress) -> HTTPServer.Configuration {
      // Bodies are read here, up to the limit, not kept by the server.
      HTTPServer.Configuration(
        address: address, timeout: Self.arrival + 60, sharedRequestReplaySize: 0, logger: .disabled)
    }
    if host.contains(":") {
      guard let address = try? sockaddr_in6.inet6(ip6: host, port: port) else { throw unknownHost }
      return configuration(address)
    }
    guard let address = try? sockaddr_in.inet(ip4: host, port: port) else { throw unknownHost }
    return configuration(address)
  }

  private var unknownHost: DataError { DataError("--host: '\(host)' is no IPv4 or IPv6 address") }

  private static func reason(_ error: SocketError) -> String {
    if case .failed(_, let number, _) = error { return String(cString: strerror(number)) }
    return "\(error)"
  }

  private func handler() -> RequestHandler {
    RequestHandler(model: model, limits: limits, isLoopback: PlaygroundServer.isLoopback(host), log: log)
  }

  /// Whether only this machine reaches an address.
  public static func isLoopback(_ host: String) -> Bool {
    var (short, long) = (in_addr(), in6_addr())
    if inet_pton(AF_INET, host, &short) == 1 { return UInt32(bigEndian: short.s_addr) >> 24 == 127 }
    guard inet_pton(AF_INET6, host, &long) == 1 else { return false }
    return withUnsafeBytes(of: &long) { $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1 }
  }

  /// A reason as the JSON that clients get.
  static func errorText(_ reason: String) -> [UInt8] {
    Array(((try? JSONText.line(["error": reason])) ?? "{\"error\":\"\"}").utf8)
  }
}
