import Discriminative
import Foundation
import TestSupport
import Testing

/// Images that diffusers' pipelines make in float32, written by `Tools/reference/make_generation.py`.
@Suite struct GenerationTests {
  struct Case: Decodable, Sendable {
    let kind, sampler, text: String
    let negative: String?
    let steps, width, height: Int
    let guidance: Float
    let seed: UInt64

    var options: GenerationOptions {
      var options = GenerationOptions()
      options.sampler = SamplerKind(rawValue: sampler)
      options.steps = steps
      options.guidance = guidance
      options.negative = negative
      if (width, height) != (64, 64) { options.size = (width, height) }
      return options
    }
  }

  static let cases: [String: Case] = {
    let data = try! Data(contentsOf: URL(fileURLWithPath: Fixtures.path("generation/cases.json")))
    return try! JSONDecoder().decode([String: Case].self, from: data)
  }()

  private func expected(_ key: String) throws -> Tensor {
    try SafetensorsFile(path: Fixtures.path("generation/images.safetensors")).tensor(key)
  }

  private func job(
    _ kind: String, _ options: GenerationOptions, threads: Int = 2,
    change: (inout Graph) -> Void = { _ in }
  ) throws -> GenerationJob {
    var graph = try Reference(kind).graph
    change(&graph)
    return try GenerationJob(
      graph, tokenizerFolder: Fixtures.path("checkpoints/\(kind)"), options: options,
      pool: ThreadPool(threads: threads))
  }

  @Test(arguments: cases.keys.sorted()) func equalDiffusers(_ name: String) throws {
    let item = GenerationTests.cases[name]!
    let job = try job(item.kind, item.options)
    let latents = try job.latents(of: item.text, noise: job.noise(seed: item.seed))
    let reference = try expected("\(name).latents")
    // Steps amplify rounding; measured: below 1e-5.
    #expect(Comparison.relativeToPeak(latents.reshaped(reference.shape), reference) <= 5e-5)

    let made = try job.decode(latents)
    #expect(made.isFinite)
    let pixels = try expected("\(name).image")
    #expect(pixels.shape == [made.image.height, made.image.width, 3])
    let differences = zip(made.image.pixels, pixels.array(of: UInt8.self)).map { abs(Int($0) - Int($1)) }
    // A level apart only where a value lies at the border between two; measured: 4 values in 12,288.
    #expect(differences.max()! <= 1)
    #expect(Double(differences.reduce(0, +)) <= 0.002 * Double(differences.count))
  }

  @Test func threadsDoNotMatter() throws {
    let item = GenerationTests.cases["sd21base-wide"]!
    let images = try [1, 3].map { threads in
      let job = try job(item.kind, item.options, threads: threads)
      return try job.image(of: item.text, noise: job.noise(seed: 1)).image
    }
    #expect(images[0] == images[1])
  }

  /// What a text means is worked out once a run, whatever else is asked for in between.
  @Test func captionsOfOneJob() throws {
    var options = GenerationOptions()
    options.steps = 2
    let job = try job("sd15", options)
    let noise = job.noise(seed: 0)
    var seen: [[Int]] = []
    let first = try job.image(of: "a red dog", noise: noise) { seen.append([$0, $1]) }
    #expect(seen == [[0, 3], [1, 3], [2, 3], [3, 3]])
    let second = try job.image(of: "two green cats", noise: noise)
    #expect(first.image != second.image)
    #expect(try job.image(of: "a red dog", noise: noise).image == first.image)
    #expect(try job.image(of: "a red dog", noise: job.noise(seed: 1)).image != first.image)
  }

  /// Guidance away from the caption itself is none at all.
  @Test func guidanceAwayFromTheCaptionItself() throws {
    var options = GenerationOptions()
    options.steps = 3
    options.guidance = 1
    let plain = try job("sd21base", options)
    let noise = plain.noise(seed: 5)
    let expected = try plain.latents(of: "a red dog", noise: noise)
    options.guidance = 9
    options.negative = "a red dog"
    let same = try job("sd21base", options).latents(of: "a red dog", noise: noise)
    #expect(same.isIdentical(to: expected))
  }

  private func refusal(_ body: () throws -> Void) -> String {
    do {
      try body()
      return "no error"
    } catch let error as DataError {
      return error.message
    } catch {
      return "another error: \(error)"
    }
  }

  @Test func refusals() throws {
    func refusal(
      _ set: (inout GenerationOptions) -> Void, graph change: (inout Graph) -> Void = { _ in }
    ) -> String {
      var options = GenerationOptions()
      set(&options)
      return self.refusal { _ = try job("sd21base", options, change: change) }
    }
    #expect(refusal { $0.guidance = .nan } == "--guidance: nan is not a finite number")
    #expect(refusal { $0.size = (60, 64) } == "--size: 60x64 is not made of multiples of 8 pixels")
    #expect(refusal { $0.size = (-64, 64) } == "--size: -64x64 is not made of multiples of 8 pixels")
    // A multiple of the decoder's downsampling, but not of the UNet's.
    #expect(refusal { $0.size = (72, 64) }.hasPrefix("--size 72x64: "))
    #expect(refusal { $0.steps = 1001 }.hasPrefix("--steps: 1001 is not between 1 and 1000"))
    #expect(
      refusal({ _ in }) { $0 = $0.sliced(to: ["noise_pred", "encoder_hidden_states"]) }
        .hasPrefix("metadata 'dsd.pipeline': axes: the graph has no input 'decoder_latent'"))
    #expect(
      refusal({ _ in }) { graph in
        graph.outputs.removeAll { $0.name == "image" }
        graph.nodes.removeAll { $0.outputs.contains("image") }
      } == "the graph has no value 'image', which making images needs")
    let usual = try job("sd21base", GenerationOptions())
    #expect(
      self.refusal { _ = try usual.latents(of: "a", noise: Tensor.zeros(.float32, [1, 4, 8, 9])) }
        == "the noise is float32[1, 4, 8, 9], not float32[1, 4, 8, 8]")
    let long = String(repeating: "dog ", count: 2500)
    #expect(
      self.refusal { _ = try usual.image(of: long, noise: usual.noise(seed: 0)) }.contains("10000 characters")
    )
  }

  /// A model that rounds its timesteps cannot be asked between them.
  @Test func wholeTimesteps() throws {
    func rounding(_ graph: inout Graph) {
      let user = graph.nodes.firstIndex { $0.inputs.contains("timestep") && $0.name.hasPrefix("unet/") }!
      graph.nodes[user].inputs = ["whole"]
      graph.nodes.insert(
        Node(
          "Cast", name: "unet/whole", inputs: ["timestep"], outputs: ["whole"],
          attributes: ["to": .int(Int(DType.int64.rawValue))]), at: user)
    }
    var options = GenerationOptions()
    options.steps = 5
    options.sampler = .euler
    #expect(
      refusal { _ = try job("sd21base", options, change: rounding) }
        == "with timesteps between whole numbers (--sampler ddim has none): node 'unet/whole' (Cast) makes "
        + "the timestep a whole number")
    options.sampler = .ddim
    let plain = try job("sd21base", options)
    let noise = plain.noise(seed: 0)
    let rounded = try job("sd21base", options, change: rounding).latents(of: "a dog", noise: noise)
    #expect(try plain.latents(of: "a dog", noise: noise).isIdentical(to: rounded))
  }
}
