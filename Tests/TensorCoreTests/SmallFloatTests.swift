import TensorCore
import Testing

@Suite struct SmallFloatTests {
  private let types: [DType] = [
    .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0, .float4e2m1,
  ]

  /// Every code is the nearest one to its own value, and values rise with the codes of one sign.
  @Test func codesComeBack() throws {
    for dtype in types {
      let format = try #require(SmallFloat(dtype))
      let codes = UInt8(0)...(dtype.bits == 8 ? 255 : 15)
      for code in codes {
        let value = format.value(code)
        if value.isNaN {
          #expect(format.value(format.code(.nan)).isNaN)
        } else {
          #expect(format.code(Double(value), saturating: false) == code, "\(dtype) \(code) \(value)")
        }
      }
    }
  }

  /// The largest values and the specials that the ONNX standard tabulates.
  @Test func limits() throws {
    let largest: [DType: Float] = [
      .float8e4m3fn: 448, .float8e4m3fnuz: 240, .float8e5m2: 57344, .float8e5m2fnuz: 57344, .float4e2m1: 6,
    ]
    for (dtype, limit) in largest {
      let format = try #require(SmallFloat(dtype))
      #expect(format.value(format.code(1e30)) == limit && format.value(format.code(-.infinity)) == -limit)
      let beyond = format.value(format.code(1e30, saturating: false))
      switch dtype {
      case .float8e5m2: #expect(beyond == .infinity)
      case .float4e2m1: #expect(beyond == limit)
      default: #expect(beyond.isNaN)
      }
      // The least step is exact, half of it ties to zero, a little more does not.
      let step = format.value(1)
      #expect(format.code(Double(step)) == 1 && format.code(Double(step) / 2) == 0)
      #expect(format.code(Double(step) * 0.51) == 1)
    }
    #expect(SmallFloat(.float8e4m3fn)?.value(1) == 0x1p-9 && SmallFloat(.float8e5m2fnuz)?.value(1) == 0x1p-17)
  }

  @Test func powersOfTwoRoundAsAsked() throws {
    let format = try #require(SmallFloat(.float8e8m0))
    for (value, up, down, nearest) in [(3.0, 4, 2, 4), (2.9, 4, 2, 2), (2, 2, 2, 2), (0.7, 1, 0.5, 0.5)] {
      #expect(format.value(format.code(value, rounding: .up)) == Float(up))
      #expect(format.value(format.code(value, rounding: .down)) == Float(down))
      #expect(format.value(format.code(value, rounding: .nearest)) == Float(nearest))
    }
    #expect(format.value(0) == 0x1p-127 && format.value(255).isNaN && format.code(.infinity) == 254)
  }

  /// Between every two neighbours, values go to the nearer one and ties to the even code.
  @Test func roundingIsToNearestEven() throws {
    for dtype in types where dtype != .float8e8m0 {
      let format = try #require(SmallFloat(dtype))
      for code in UInt8(0)..<(dtype.bits == 8 ? 126 : 7) {
        let (low, high) = (Double(format.value(code)), Double(format.value(code + 1)))
        guard low.isFinite, high.isFinite else { continue }
        let middle = (low + high) / 2
        #expect(format.code(middle) == (code % 2 == 0 ? code : code + 1), "\(dtype) \(code)")
        #expect(format.code(middle.nextDown) == code && format.code(middle.nextUp) == code + 1)
      }
    }
  }
}
