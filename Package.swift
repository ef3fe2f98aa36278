// swift-tools-version: 6.0
import PackageDescription

// Dependencies between targets point down only; Specs/architecture.md explains the layers.
let package = Package(
  name: "dsd",
  products: [
    .executable(name: "dsd", targets: ["dsd"]),
    .executable(name: "dsd-run", targets: ["dsd-run"]),
    .library(name: "Discriminative", targets: ["Discriminative"]),
    .library(name: "Diffusion", targets: ["Diffusion"]),
    .library(name: "Interpreter", targets: ["Interpreter"]),
    .library(name: "Rewrites", targets: ["Rewrites"]),
    .library(name: "Operators", targets: ["Operators"]),
    .library(name: "ONNXWire", targets: ["ONNXWire"]),
    .library(name: "GraphIR", targets: ["GraphIR"]),
    .library(name: "TensorCore", targets: ["TensorCore"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
  ],
  targets: [
    // MARK: Libraries of the system
    .systemLibrary(
      name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),

    // MARK: C
    .target(name: "CGraphProto", dependencies: ["CProtobufC"]),
    .target(name: "CKernels", cSettings: [.unsafeFlags(["-O3", "-ffp-contract=off"])]),
    .target(
      name: "CImageCodecs",
      linkerSettings: [.linkedLibrary("png"), .linkedLibrary("jpeg")]),

    // MARK: The product, lowest layer first
    .target(name: "TensorCore"),
    .target(
      name: "GraphIR",
      dependencies: ["TensorCore", .product(name: "OrderedCollections", package: "swift-collections")]),
    .target(name: "ONNXWire", dependencies: ["GraphIR", "CGraphProto", "CProtobufC"]),
    .target(name: "Operators", dependencies: ["GraphIR", "COpenBLAS", "CKernels"]),
    .target(name: "Interpreter", dependencies: ["GraphIR"]),
    .target(name: "Rewrites", dependencies: ["GraphIR"]),
    .target(
      name: "Diffusion", dependencies: ["GraphIR", "ONNXWire", "Operators", "CImageCodecs"]),
    .target(
      name: "Discriminative",
      dependencies: ["Diffusion", "Rewrites", "Interpreter"]),
    .target(
      name: "CommandLineSupport",
      dependencies: [
        "Discriminative", .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ]),
    .executableTarget(name: "dsd-run", dependencies: ["CommandLineSupport"]),
    .executableTarget(name: "dsd", dependencies: ["CommandLineSupport"]),
    .executableTarget(
      name: "QueryNormHook", dependencies: ["Discriminative"], path: "Examples/QueryNormHook"),

    // MARK: Tests
    .target(
      name: "TestSupport", dependencies: ["GraphIR", "Operators", "ONNXWire", "Interpreter"],
      path: "Tests/TestSupport"),
    .testTarget(name: "TensorCoreTests", dependencies: ["TensorCore", "TestSupport"]),
    .testTarget(name: "GraphIRTests", dependencies: ["GraphIR", "TestSupport"]),
    .testTarget(name: "ONNXWireTests", dependencies: ["ONNXWire", "TestSupport"]),
    .testTarget(name: "OperatorsTests", dependencies: ["Operators", "CKernels", "TestSupport"]),
    .testTarget(name: "InterpreterTests", dependencies: ["Interpreter", "Rewrites", "TestSupport"]),
    .testTarget(name: "RewritesTests", dependencies: ["Rewrites", "Interpreter", "TestSupport"]),
    .testTarget(name: "DiffusionTests", dependencies: ["Diffusion", "TestSupport"]),
    .testTarget(name: "DiscriminativeTests", dependencies: ["Discriminative", "TestSupport"]),
    .testTarget(
      name: "CommandLineTests", dependencies: ["dsd", "dsd-run", "CommandLineSupport", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6]
)
