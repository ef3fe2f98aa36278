import Foundation
import GraphIR

/// What tools have to know about a pipeline's graph besides its nodes: the model metadata `dsd.pipeline`.
///
/// `Specs/pipeline.md` tells the graph's inputs, values and names.
public struct PipelineDescription: Codable, Sendable, Equatable {
  public enum Kind: String, Codable, Sendable {
    /// One text encoder.
    case sd
    /// Two text encoders, a pooled embedding and time ids.
    case sdxl
  }

  /// What a pairing of inputs is swept over.
  public enum Axis: String, Codable, Sendable, CaseIterable {
    case image, text, timestep
  }

  /// The tokenizer of one text input.
  public struct Tokenizer: Codable, Sendable, Equatable {
    /// The graph's input of token ids.
    public var input: String
    /// The tokenizer's folder, relative to the checkpoint's.
    public var folder: String
    /// Every caption becomes this many ids.
    public var maxLength: Int

    enum CodingKeys: String, CodingKey {
      case input, folder
      case maxLength = "max_length"
    }
  }

  /// A part of the pipeline, by its scope.
  public struct Component: Codable, Sendable, Equatable {
    /// diffusers' or transformers' class.
    public var className: String
    /// The folder of its weights, relative to the checkpoint's.
    public var folder: String

    enum CodingKeys: String, CodingKey {
      case className = "class"
      case folder
    }
  }

  public static let currentVersion = 1
  /// The key in the model's metadata.
  public static let metadataKey = "dsd.pipeline"

  public var version = PipelineDescription.currentVersion
  public var kind: Kind
  /// Height and width in pixels that the model was trained on.
  public var imageSize: Int
  public var latentChannels: Int
  /// Pixels that a latent is high and wide.
  public var latentDownscale: Int
  public var scalingFactor: Double
  public var shiftFactor: Double?
  public var predictionType: NoiseSchedule.Prediction
  public var scheduler: SchedulerDescription
  public var tokenizers: [Tokenizer]
  /// The axis of each graph input.
  public var axes: [String: Axis]
  /// The default of the input `time_ids` (SDXL): original size, crop and target size.
  public var timeIDs: [Int]?
  public var components: [String: Component]
  /// The element types of the stored weights.
  public var weightTypes: [String]
  /// Set when all elements of a batch must have one timestep, as with some exported UNets.
  public var sharesTimestep: Bool?
  /// SDXL: whether guidance without a negative caption leads away from zeros and not from the encoding of the
  /// empty caption; yes where the checkpoint does not say.
  public var forcesZerosForEmptyPrompt: Bool?

  enum CodingKeys: String, CodingKey {
    case version, kind, scheduler, tokenizers, axes, components
    case imageSize = "image_size"
    case latentChannels = "latent_channels"
    case latentDownscale = "latent_downscale"
    case scalingFactor = "scaling_factor"
    case shiftFactor = "shift_factor"
    case predictionType = "prediction_type"
    case timeIDs = "time_ids"
    case weightTypes = "weight_types"
    case sharesTimestep = "shares_timestep"
    case forcesZerosForEmptyPrompt = "force_zeros_for_empty_prompt"
  }
}

extension PipelineDescription {
  /// Reads a graph's description.
  /// - Throws: `DataError` when the graph is no pipeline, or its description is malformed or of a newer
  ///   version.
  public init(from graph: Graph) throws {
    let key = PipelineDescription.metadataKey
    guard let text = graph.metadata[key] else {
      throw DataError("the graph is not a pipeline: it has no metadata '\(key)' (dsd import makes one)")
    }
    struct Version: Decodable { let version: Int }
    do {
      let version = try JSONDecoder().decode(Version.self, from: Data(text.utf8)).version
      guard version == PipelineDescription.currentVersion else {
        throw DataError("metadata '\(key)': version \(version) is not known")
      }
      self = try JSONDecoder().decode(PipelineDescription.self, from: Data(text.utf8))
    } catch let error as DecodingError {
      throw DataError("metadata '\(key)': \(error.reason)")
    }
    let inputs = Set(graph.inputs.map(\.name))
    for name in axes.keys.sorted() where !inputs.contains(name) {
      throw DataError("metadata '\(key)': axes: the graph has no input '\(name)'")
    }
    for tokenizer in tokenizers where !inputs.contains(tokenizer.input) {
      throw DataError("metadata '\(key)': tokenizers: the graph has no input '\(tokenizer.input)'")
    }
    do { try check() } catch let error as DataError { throw error.at("metadata '\(key)'") }
  }

  /// The description as the metadata's value: JSON with sorted keys.
  public func metadataValue() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}

extension DecodingError {
  /// One line with the key and what is wrong with it.
  fileprivate var reason: String {
    func place(_ context: Context) -> String {
      context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
    }
    switch self {
    case .keyNotFound(let key, let context):
      let path = place(context)
      return "\(path.isEmpty ? "" : path + ".")\(key.stringValue) is missing"
    case .typeMismatch(let type, let context): return "\(place(context)) is not \(type)"
    case .valueNotFound(_, let context): return "\(place(context)) is null"
    case .dataCorrupted(let context):
      let path = place(context)
      return path.isEmpty ? "malformed JSON" : "\(path): \(context.debugDescription)"
    @unknown default: return "malformed"
    }
  }
}

extension NoiseSchedule.Prediction: Codable {}
