import Testing

@testable import Diffusion

@Suite struct CheckpointImporterTests {
}
