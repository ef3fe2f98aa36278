import Discriminative
import FlyingFox
import Foundation

/// Answers what a client asks for.
struct RequestHandler: HTTPHandler {
  private let model: PlaygroundModel
  private let limits: PlaygroundLimits
  private let isLoopback: Bool
  private let queue: JobQueue

  init(
    model: PlaygroundModel, limits: PlaygroundLimits, isLoopback: Bool,
    log: @escaping @Sendable (String) -> Void
  ) {
    self.model = model
    self.limits = limits
    self.isLoopback = isLoopback
    queue = JobQueue(
      limit: limits.waiting, run: { RequestHandler.run($0, model, log) },
      left: { log("\($0.size): cancelled while it waited") })
  }

  /// A reason not to do what was asked for.
  private struct Refusal: Error {
    let status: HTTPStatusCode
    let reason: String
    /// Whether the connection ends with it.
    var closes = false
  }

  func handleRequest(_ request: HTTPRequest) async throws -> HTTPResponse {
    var response = await response(to: request)
    // Whatever the answer is: bytes behind the head would be taken for the next one.
    if request.method == .HEAD { response.payload = .httpBody(HTTPBodySequence(data: Data())) }
    return response
  }

  private func response(to request: HTTPRequest) async -> HTTPResponse {
    do {
      // Read whatever it is for: a client that is still sending does not see the answer.
      let body = try await body(of: request)
      try checkOrigin(request)
      switch (request.method == .HEAD ? .GET : request.method, request.path) {
      case (.GET, "/"):
        // The page needs nothing from elsewhere, and nothing else may use it.
        let headers: HTTPHeaders = [
          .contentType: "text/html; charset=utf-8", .cacheControl: "no-store",
          HTTPHeader("Content-Security-Policy"): Self.policy, HTTPHeader("X-Content-Type-Options"): "nosniff",
        ]
        return HTTPResponse(statusCode: .ok, headers: headers, body: Data(Page.html.utf8))
      case (.GET, "/api/model"):
        var facts = model.facts
        facts.limits = limits
        return json(.ok, Data(try JSONText.encode(facts).utf8))
      case (.POST, "/api/score"): return try await score(request, body)
      case (_, "/"), (_, "/api/model"), (_, "/api/score"):
        throw Refusal(
          status: .methodNotAllowed, reason: "\(request.method.rawValue) is not for \(request.path)")
      default: throw Refusal(status: .notFound, reason: "there is no \(request.path)")
      }
    } catch let refusal as Refusal {
      if refusal.closes {
        // What is left of the request would be taken for the next one.
        let text = PlaygroundServer.errorText(refusal.reason)
        return HTTPResponse(
          statusCode: refusal.status, headers: [.contentType: "application/json", .connection: "close"],
          body: HTTPBodySequence(from: LastWords(text), count: text.count))
      }
      return json(refusal.status, Data(PlaygroundServer.errorText(refusal.reason)))
    } catch let error as DataError {
      return json(.badRequest, Data(PlaygroundServer.errorText(error.message)))
    } catch {
      return json(.internalServerError, Data(PlaygroundServer.errorText("\(error)")))
    }
  }

  private static let policy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; connect-src 'self'; "
    + "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"

  private func json(_ status: HTTPStatusCode, _ body: Data) -> HTTPResponse {
    HTTPResponse(
      statusCode: status, headers: [.contentType: "application/json"], body: body + Data("\n".utf8))
  }

  /// Other web pages that are open in the user's browser are not served: neither those that ask this address, nor those
  /// whose own name has been made to lead to this machine.
  private func checkOrigin(_ request: HTTPRequest) throws {
    let host = request.headers[.host] ?? ""
    guard !isLoopback || RequestHandler.isLocal(host) else {
      throw Refusal(status: .forbidden, reason: "the host '\(host)' is not this server")
    }
    guard let origin = request.headers[HTTPHeader("Origin")] else { return }
    guard origin == "http://\(host)" || origin == "https://\(host)" else {
      throw Refusal(status: .forbidden, reason: "pages of \(origin) are not served")
    }
  }

  /// Whether a `Host` header, with or without port, is this machine's own: `localhost` or a loopback address.
  static func isLocal(_ host: String) -> Bool {
    let parts = host.wholeMatch(of: /(?:\[(?<long>[^\]]*)\]|(?<short>[^:\[\]]*))(?::[0-9]*)?/)
    guard let name = parts.flatMap({ $0.long ?? $0.short }) else { return false }
    return name.lowercased() == "localhost" || PlaygroundServer.isLoopback(String(name))
  }

  private func score(_ request: HTTPRequest, _ body: Data) async throws -> HTTPResponse {
    let type = request.headers[.contentType] ?? ""
    guard type.split(separator: ";").first?.lowercased() == "application/json" else {
      throw Refusal(
        status: .unsupportedMediaType, reason: "the request's type is '\(type)', not application/json")
    }
    let asked = try await read(body)
    let job = ScoreJob(asked)
    guard queue.add(job) else {
      throw Refusal(
        status: .serviceUnavailable, reason: "\(limits.waiting) requests are waiting; try again later")
    }
    let wantsLines = (request.headers[HTTPHeader("Accept")] ?? "").contains("application/x-ndjson")
    return HTTPResponse(
      statusCode: .ok, headers: [.contentType: wantsLines ? "application/x-ndjson" : "application/json"],
      body: HTTPBodySequence(from: JobLines(job, wantsLines ? .lines : .object, queue)))
  }

  /// Images are decoded beside the threads that serve connections.
  private func read(_ body: Data) async throws -> ScoreRequest {
    try await withCheckedThrowingContinuation { continuation in
      Self.reader.async {
        continuation.resume(
          with: Result {
            let asked = try ScoreRequest(decoding: body, limits: limits)
            try model.check(asked, limits: limits)
            return asked
          })
      }
    }
  }

  private static let reader = DispatchQueue(label: "dsd.playground.reader")

  /// The request's bytes, up to the limit. What is above it is read and thrown away, up to a point.
  private func body(of request: HTTPRequest) async throws -> Data {
    let limit = limits.uploadBytes
    let tooLarge = "the request is larger than the limit of \(String(format: "%g", Double(limit) / 1e6)) MB"
    // Nobody waits for all of it to come.
    guard request.bodySequence.count ?? 0 <= Self.patience * limit else {
      throw Refusal(status: .payloadTooLarge, reason: tooLarge, closes: true)
    }
    let deadline = ContinuousClock.now + .seconds(PlaygroundServer.arrival)
    var data = Data()
    var size = 0
    do {
      for try await part in request.bodySequence {
        size += part.count
        if size <= limit { data.append(part) } else { data = Data() }
        guard size <= Self.patience * limit else {
          throw Refusal(status: .payloadTooLarge, reason: tooLarge, closes: true)
        }
        guard ContinuousClock.now < deadline else {
          throw Refusal(status: .requestTimeout, reason: "the request takes too long to arrive", closes: true)
        }
      }
    } catch let refusal as Refusal {
      throw refusal
    } catch {
      throw Refusal(status: .badRequest, reason: "the request's body cannot be read", closes: true)
    }
    guard size <= limit else { throw Refusal(status: .payloadTooLarge, reason: tooLarge) }
    return data
  }

  private static let patience = 16

  private static func run(
    _ job: ScoreJob, _ model: PlaygroundModel, _ log: @Sendable (String) -> Void
  ) {
    do {
      try job.cancellation.check()
      guard let request = job.takeRequest() else { return }
      job.move(to: .running(done: 0, total: 0))
      let answer = try model.run(request, cancellation: job.cancellation) { done, total in
        job.move(to: .running(done: done, total: total))
      }
      job.move(to: .answered(Data(try JSONText.line(answer).utf8)))
      log(String(format: "\(job.size): %.2f s", answer.seconds))
    } catch is CancellationError {
      job.move(to: .failed("cancelled"))
      log("\(job.size): cancelled")
    } catch {
      let reason = (error as? DataError)?.message ?? "\(error)"
      job.move(to: .failed(reason))
      log("\(job.size): \(reason)")
    }
  }
}
