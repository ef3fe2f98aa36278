import Discriminative
import Foundation

/// What a client asks for: images, captions and the options of `dsd-run`, one JSON object; `Specs/serve.md` tells its
/// members.
struct ScoreRequest: Sendable {
  var imageNames: [String]
  /// PNG or JPEG files that have been found sound: pixels would take many times their memory while the request waits.
  var images: [Data]
  var texts: [String]
  /// Names among those that the server was started with, attached in this order.
  var adapters: [String] = []
  var head: String?
  /// Whether the terms of every layer and noise level are wanted.
  var wantsTerms = false
  var maps: Maps?
  var options = MatchingOptions()

  /// How word maps are read: the options of the hook `attn-map`.
  struct Maps: Sendable {
    var layers = LayerSelection.all
    var positions = TextPositions.all
    var relative = AttentionMap.Relative.none
  }

  /// Requests that differ in images and captions alone have the same: the model prepared for one serves the other.
  var preparationKey: String {
    "\(adapters) \(head ?? "") \(wantsTerms) \(maps.map { "\($0)" } ?? "") \(options)"
  }

  /// An image as the model takes it, `[1, 3, size, size]` in −1…1.
  func pixels(_ image: Int, size: Int) throws -> Tensor {
    try images[image].withUnsafeBytes { try RGBImage(decoding: $0) }.tensor(width: size, height: size)
  }

  /// - Throws: `DataError` that names the member at fault.
  init(decoding data: Data, limits: PlaygroundLimits) throws {
    let body: Body
    do {
      body = try JSONDecoder().decode(Strict<Body>.self, from: data).value
    } catch let error as DecodingError {
      throw DataError(ScoreRequest.reason(error))
    }
    func check(_ count: Int, _ limit: Int, _ name: String) throws {
      guard count > 0 else { throw DataError("\(name): the list is empty") }
      guard count <= limit else { throw DataError("\(name): \(count) are more than the limit of \(limit)") }
    }
    try check(body.images.count, limits.images, "images")
    try check(body.texts.count, limits.texts, "texts")
    for (place, text) in body.texts.enumerated() {
      do { try CLIPTokenizer.check(text) } catch let error as DataError {
        throw DataError("texts[\(place)]: \(error.message)")
      }
    }
    texts = body.texts
    imageNames = body.images.enumerated().map { $1.value.name ?? "image \($0 + 1)" }
    images = try body.images.enumerated().map { place, image in
      do { return try image.value.bytes(limits) } catch let error as DataError {
        throw DataError("images[\(place)]\(image.value.name.map { " (\($0))" } ?? ""): \(error.message)")
      }
    }
    adapters = body.adapters ?? []
    head = body.head
    wantsTerms = body.terms ?? false
    options = try body.options(limits)
    if let maps = body.maps { self.maps = try maps.options() }
    options.includesEmptyCaption = maps?.relative == .emptyCaption
    do { try options.check(images: images.count) } catch let error as UsageError {
      // Members have the options' names.
      throw DataError("\(error)".replacing("--", with: ""))
    }
  }

  private static func reason(_ error: DecodingError) -> String {
    func path(_ context: DecodingError.Context) -> String { memberPath(context.codingPath) }
    switch error {
    case .keyNotFound(let key, let context):
      let place = path(context)
      return "\(place.isEmpty ? "" : place + ": ")'\(key.stringValue)' is missing"
    case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
      let place = path(context)
      return "\(place.isEmpty ? "the request" : place): \(kind(type)) expected"
    case .dataCorrupted(let context):
      let place = path(context)
      return place.isEmpty ? "the request is no JSON" : "\(place): \(context.debugDescription)"
    @unknown default: return "the request is not understood"
    }
  }

  private static func kind(_ type: Any.Type) -> String {
    switch type {
    case is String.Type: "a string"
    case is Bool.Type: "true or false"
    case is Int.Type, is UInt64.Type: "a whole number"
    case is Double.Type: "a number"
    case is [Any].Type: "a list"
    default: "an object"
    }
  }
}

/// The JSON object as it is sent.
private struct Body: Decodable, KnownKeys {
  var images: [Strict<Image>]
  var texts: [String]
  var timesteps: [Whole<Int>]?
  var samples: Whole<Int>?
  var seed: Whole<UInt64>?
  var latent, score, layers, pooling, positions, normalize, head: String?
  var officialCompat, adaptive, terms: Bool?
  var errorRate: Double?
  var adapters: [String]?
  var maps: MapsChoice?

  enum CodingKeys: String, CodingKey, CaseIterable {
    case images, texts, timesteps, samples, seed, latent, score, layers, pooling, positions, normalize, head
    case adaptive, terms, adapters, maps
    case officialCompat = "official_compat"
    case errorRate = "error_rate"
  }

  func options(_ limits: PlaygroundLimits) throws -> MatchingOptions {
    var options = MatchingOptions()
    options.timesteps = timesteps?.map(\.value)
    if let samples { options.samples = samples.value }
    let count = timesteps?.count ?? options.samples
    guard (1...limits.timesteps).contains(count) else {
      throw DataError(
        "\(timesteps == nil ? "samples" : "timesteps"): \(count) noise levels are not between 1 and \(limits.timesteps)"
      )
    }
    if let seed { options.seed = seed.value }
    if let layers { options.layers = LayerSelection(layers) }
    options.latent = try choice(latent, "latent") ?? options.latent
    options.terms = try choice(score, "score") ?? options.terms
    options.pooling = try choice(pooling, "pooling") ?? options.pooling
    options.positions = try choice(positions, "positions") ?? options.positions
    options.normalize = try choice(normalize, "normalize") ?? options.normalize
    options.officialCompat = officialCompat ?? false
    guard errorRate == nil || adaptive == true else { throw DataError("error_rate: needs adaptive") }
    if let errorRate, !(errorRate > 0 && errorRate < 1) {
      throw DataError("error_rate: \(errorRate) is not between 0 and 1")
    }
    if adaptive == true {
      guard head == nil, terms != true, maps == nil else {
        throw DataError("adaptive: heads, terms and maps need every pass")
      }
      options.adaptive = errorRate ?? 0.05
    }
    return options
  }
}

private struct Image: Decodable, KnownKeys {
  var name: String?
  var data: String

  enum CodingKeys: String, CodingKey, CaseIterable { case name, data }

  /// The PNG or JPEG file, from base64 by itself or as a data URL; decoded once to find what is wrong with it.
  func bytes(_ limits: PlaygroundLimits) throws -> Data {
    let start = data.hasPrefix("data:") ? data.firstIndex(of: ",").map { data.index(after: $0) } : nil
    guard let bytes = Data(base64Encoded: String(data[(start ?? data.startIndex)...])) else {
      throw DataError("data is no base64")
    }
    _ = try bytes.withUnsafeBytes { try RGBImage(decoding: $0, maxSide: limits.imageSide) }
    return bytes
  }
}

/// `true`, `false`, or the options of the maps.
private enum MapsChoice: Decodable {
  case plain(Bool)
  case chosen(MapsBody)

  init(from decoder: any Decoder) throws {
    if let value = try? decoder.singleValueContainer().decode(Bool.self) {
      self = .plain(value)
    } else {
      self = .chosen(try Strict<MapsBody>(from: decoder).value)
    }
  }

  func options() throws -> ScoreRequest.Maps? {
    switch self {
    case .plain(let wanted): return wanted ? ScoreRequest.Maps() : nil
    case .chosen(let body):
      var maps = ScoreRequest.Maps()
      if let layers = body.layers { maps.layers = LayerSelection(layers) }
      maps.positions = try choice(body.positions, "maps.positions") ?? maps.positions
      maps.relative = try choice(body.relative, "maps.relative") ?? maps.relative
      return maps
    }
  }
}

private struct MapsBody: Decodable, KnownKeys {
  var layers, positions, relative: String?

  enum CodingKeys: String, CodingKey, CaseIterable { case layers, positions, relative }
}

/// One of several words; nil when it is not given.
private func choice<T: RawRepresentable & CaseIterable>(_ text: String?, _ name: String) throws -> T?
where T.RawValue == String {
  guard let text else { return nil }
  guard let value = T(rawValue: text) else {
    let names = T.allCases.map(\.rawValue).joined(separator: ", ")
    throw DataError("\(name): one of \(names), not '\(text)'")
  }
  return value
}

/// A whole number: the decoder by itself does not say which one does not fit.
private struct Whole<Value: FixedWidthInteger & Decodable>: Decodable {
  let value: Value

  init(from decoder: any Decoder) throws {
    do { value = try decoder.singleValueContainer().decode(Value.self) } catch {
      let kind = Value.isSigned ? "a whole number" : "a whole number from 0 on"
      throw DataError("\(memberPath(decoder.codingPath)): \(kind) expected")
    }
  }
}

/// `images[3].data`
private func memberPath(_ keys: [any CodingKey]) -> String {
  keys.reduce("") { text, key in
    key.intValue.map { "\(text)[\($0)]" } ?? (text.isEmpty ? "" : text + ".") + key.stringValue
  }
}

/// An object whose members are all known by name.
private protocol KnownKeys: Decodable {
  associatedtype CodingKeys: CodingKey, CaseIterable
}

/// Refuses members that the object does not have: a misspelt option would be passed over otherwise.
private struct Strict<Value: KnownKeys>: Decodable {
  let value: Value

  private struct AnyKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    let known = Value.CodingKeys.allCases.map(\.stringValue)
    for key in try decoder.container(keyedBy: AnyKey.self).allKeys where !known.contains(key.stringValue) {
      let place = memberPath(decoder.codingPath)
      throw DataError(
        "\(place.isEmpty ? "" : place + ": ")'\(key.stringValue)' is not known; there are "
          + known.joined(separator: ", "))
    }
    value = try Value(from: decoder)
  }
}
