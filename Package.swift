// swift-tools-version: 6.0
import Foundation
import PackageDescription

// Dependencies between targets point down only; Specs/architecture.md explains the layers.
//
// A target names every module it sees, those below its neighbours too: the build recompiles a target only when a
// module that it names has changed.
let ir: [Target.Dependency] = ["TensorCore", "GraphIR"]
let library: [Target.Dependency] =
  ir + ["ONNXWire", "Operators", "Interpreter", "Rewrites", "Diffusion", "Discriminative"]
// What a test costs is what it calls. Optimising the tests themselves would take a quarter of the build.
let unoptimized: [SwiftSetting] = [.unsafeFlags(["-Onone"])]
let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "dsd",
  products: [
    .executable(name: "dsd", targets: ["dsd"]),
    .executable(name: "dsd-run", targets: ["dsd-run"]),
    .executable(name: "dsd-conformance", targets: ["dsd-conformance"]),
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
    .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
    .package(url: "https://github.com/swiftcsv/SwiftCSV", from: "0.10.0"),
    .package(url: "https://github.com/swhitty/FlyingFox", .upToNextMinor(from: "0.27.1")),
  ],
  targets: [
    // MARK: Libraries of the system
    .systemLibrary(
      name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),

    // MARK: C
    .target(name: "CGraphProto", dependencies: ["CProtobufC"]),
    .target(name: "CKernels", cSettings: [.unsafeFlags(["-O3", "-ffp-contract=off"])]),
    .target(
      name: "CImageCodecs",
      linkerSettings: [.linkedLibrary("png"), .linkedLibrary("jpeg")]),

    .target(name: "CMPI", linkerSettings: [.linkedLibrary("dl", .when(platforms: [.linux]))]),

    // MARK: The product, lowest layer first
    .target(name: "TensorCore"),
    .target(
      name: "GraphIR",
      dependencies: ["TensorCore", .product(name: "OrderedCollections", package: "swift-collections")]),
    .target(name: "ONNXWire", dependencies: ir + ["CGraphProto", "CProtobufC"]),
    .target(name: "Operators", dependencies: ir + ["COpenBLAS", "CKernels"]),
    .target(name: "Interpreter", dependencies: ir),
    .target(name: "Rewrites", dependencies: ir + ["CKernels"]),
    .target(name: "Diffusion", dependencies: ir + ["ONNXWire", "CImageCodecs"]),
    .target(
      name: "Discriminative",
      dependencies: ir + [
        "ONNXWire", "Operators", "Interpreter", "Rewrites", "Diffusion", "CSQLite",
        .product(name: "OrderedCollections", package: "swift-collections"),
        .product(name: "SwiftCSV", package: "SwiftCSV"),
      ]),
    .target(name: "CommandLineSupport", dependencies: library + [argumentParser]),
    .executableTarget(name: "dsd-run", dependencies: library + ["CommandLineSupport", argumentParser]),
    .target(name: "MPIProcessGroup", dependencies: library + ["CMPI"]),
    .target(name: "Reports", dependencies: library),
    .target(
      name: "Playground",
      dependencies: library + [
        .product(name: "FlyingFox", package: "FlyingFox"),
        .product(name: "FlyingSocks", package: "FlyingFox"),
      ]),
    .executableTarget(
      name: "dsd",
      dependencies: library + [
        "CommandLineSupport", "MPIProcessGroup", "Playground", "Reports", argumentParser,
      ]),
    .executableTarget(
      name: "dsd-conformance", dependencies: library + ["CommandLineSupport", argumentParser]),
    .executableTarget(name: "QueryNormHook", dependencies: library, path: "Examples/QueryNormHook"),

    .target(name: "FuzzTargets", dependencies: library, path: "Tools/fuzz/Targets"),

    // MARK: Tests
    .target(
      name: "TestSupport",
      dependencies: ir + ["Operators", "ONNXWire", "Interpreter", "Rewrites", "CSQLite"],
      path: "Tests/TestSupport"),
    .testTarget(
      name: "TensorCoreTests", dependencies: ["TensorCore", "TestSupport"], swiftSettings: unoptimized),
    .testTarget(
      name: "GraphIRTests", dependencies: ir + ["Operators", "TestSupport"], swiftSettings: unoptimized),
    .testTarget(
      name: "ONNXWireTests", dependencies: ir + ["ONNXWire", "TestSupport"], swiftSettings: unoptimized),
    .testTarget(
      name: "OperatorsTests", dependencies: ir + ["Operators", "CKernels", "TestSupport"],
      swiftSettings: unoptimized),
    .testTarget(
      name: "InterpreterTests",
      dependencies: ir + ["CKernels", "Operators", "Interpreter", "Rewrites", "TestSupport"],
      swiftSettings: unoptimized),
    .testTarget(
      name: "RewritesTests", dependencies: ir + ["Operators", "Interpreter", "Rewrites", "TestSupport"],
      swiftSettings: unoptimized),
    .testTarget(
      name: "DiffusionTests", dependencies: ir + ["ONNXWire", "Operators", "Diffusion", "TestSupport"],
      swiftSettings: unoptimized),
    .testTarget(
      name: "DiscriminativeTests", dependencies: library + ["TestSupport"], swiftSettings: unoptimized),
    .testTarget(
      name: "HostileFileTests", dependencies: ["TensorCore", "FuzzTargets", "TestSupport"],
      swiftSettings: unoptimized),
    .testTarget(
      name: "CommandLineTests",
      dependencies: library + [
        "dsd", "dsd-run", "dsd-conformance", "CommandLineSupport", "MPIProcessGroup", "Playground",
        "TestSupport",
      ], swiftSettings: unoptimized),
  ],
  swiftLanguageModes: [.v6]
)

// Needs libFuzzer's entry, which ordinary builds do not have: Tools/fuzz/build.sh asks for it.
if ProcessInfo.processInfo.environment["DSD_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(name: "dsd-fuzz", dependencies: ["FuzzTargets"], path: "Tools/fuzz/Driver"))
}
