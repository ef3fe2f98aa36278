import TensorCore
import TestSupport
import Testing

@Suite struct ConversionTests {
  private func convert<T: Element, U: Element>(_ values: [T], to type: U.Type) -> [U] {
    Tensor(values, shape: [values.count]).converted(to: U.dtype).array(of: U.self)
  }

  @Test func floatsToIntegersTruncateAndSaturate() {
    let values: [Float] = [1.9, -1.9, 300, -300, .nan, .infinity, -.infinity, 1e20, -0.5]
    #expect(convert(values, to: Int8.self) == [1, -1, 127, -128, 0, 127, -128, 127, 0])
    #expect(convert(values, to: UInt8.self) == [1, 0, 255, 0, 0, 255, 0, 255, 0])
    #expect(convert([Float(1e20), -1e20], to: Int64.self) == [.max, .min])
    #expect(convert([9.223372036854775807e18, -9.223372036854775808e18], to: Int64.self) == [.max, .min])
    #expect(convert([1.8446744073709552e19, -1, 4294967295.5], to: UInt64.self) == [.max, 0, 4_294_967_295])
    #expect(convert([2147483647.5, -2147483648.5], to: Int32.self) == [.max, .min])
  }

  @Test func integersKeepTheirLowBits() {
    #expect(convert([Int64(257), -1, .min], to: UInt8.self) == [1, 255, 0])
    #expect(convert([UInt64.max, 1 << 63], to: Int64.self) == [-1, .min])
    #expect(convert([Int32(-1)], to: UInt64.self) == [.max])
    #expect(convert([UInt32.max], to: Int32.self) == [-1])
    #expect(convert([UInt64.max], to: Double.self) == [18_446_744_073_709_551_616])
    #expect(convert([UInt64.max], to: Float.self) == [18_446_744_073_709_551_616])
    #expect(convert([Int64(16_777_217)], to: Float.self) == [16_777_216])
  }

  @Test func booleans() {
    #expect(convert([Float(0), -0.0, .nan, 0.1], to: Bool.self) == [false, false, true, true])
    #expect(convert([Int64(0), 256], to: Bool.self) == [false, true])
    #expect(convert([true, false], to: Float.self) == [1, 0])
    // Any byte but 0 is true.
    let bytes = Tensor([UInt8(0), 2, 255], shape: [3])
    let flags = try! Tensor(.bool, [3], in: bytes.storage, at: 0)
    #expect(flags.converted(to: .int32).array(of: Int32.self) == [0, 1, 1])
  }

  @Test func halfRounding() {
    let values: [Float] = [65504, 65519.9, 65520, 1e-8, 2.98023224e-8, 2.99e-8, 2049, 2051, -.infinity]
    let expected: [Float16] = [65504, 65504, .infinity, 0, 0, 5.96e-8, 2048, 2052, -.infinity]
    #expect(convert(values, to: Float16.self) == expected)
    #expect(convert([Float.nan], to: Float16.self)[0].isNaN)
    // One rounding, not two: just above the middle between 1 and the next half.
    let tie = 1 + 0x1p-11
    #expect(convert([tie, tie + 0x1p-40], to: Float16.self) == [1, 1 + 0x1p-10])
  }

  @Test func bfloat16Rounding() {
    let tie: Double = 1 + 0x1p-8
    let floats: [Float] = [Float(tie), 1 + 3 * 0x1p-8]
    let even: [Float] = [1, 1 + 0x1p-6]
    #expect(convert(floats, to: BFloat16.self).map(\.float) == even)
    // Through float32 these would first become the tie.
    let doubles: [Double] = [tie + 0x1p-40, tie, tie - 0x1p-40, -tie - 0x1p-40]
    let rounded: [Float] = [1 + 0x1p-7, 1, 1, -1 - 0x1p-7]
    #expect(convert(doubles, to: BFloat16.self).map(\.float) == rounded)
    #expect(convert([Double.nan], to: BFloat16.self)[0].float.isNaN)
    // A signalling NaN whose bits are all in the lower half stays NaN.
    #expect(BFloat16(Float(bitPattern: 0x7F80_0001)).float.isNaN)
    #expect(convert([1e300, -1e300, 1e-300], to: BFloat16.self).map(\.float) == [.infinity, -.infinity, 0])
    #expect(convert([Float.greatestFiniteMagnitude], to: BFloat16.self)[0].float == .infinity)
    let above: Int64 = (1 << 40) + (1 << 32) + 1
    let next: Float = 0x1p40 + 0x1p33
    #expect(convert([above], to: BFloat16.self)[0].float == next)
  }

  /// Every half and bfloat16 survives the way through the wider types.
  @Test func allSixteenBitPatterns() {
    let patterns = (0...UInt16.max).map { $0 }
    let bytes = Tensor(patterns, shape: [65536])
    for dtype in [DType.float16, .bfloat16] {
      let source = try! Tensor(dtype, [65536], in: bytes.storage, at: 0)
      for wide in [DType.float32, .float64] {
        let widened = source.converted(to: wide)
        let back = widened.converted(to: dtype)
        let bits = try! Tensor(.uint16, [65536], in: back.storage, at: 0).array(of: UInt16.self)
        let values = widened.converted(to: .float64).array(of: Double.self)
        let wrong = patterns.indices.filter { bits[$0] != patterns[$0] && !values[$0].isNaN }
        #expect(wrong.isEmpty)
      }
    }
  }

  /// Conversion between any two types keeps small whole numbers. (float8e8m0 has no zero.)
  @Test func everyPairOfTypes() {
    for source in DType.allCases where source != .float8e8m0 {
      for target in DType.allCases where target != .float8e8m0 {
        let small = Tensor([Int64(0), 1, 1, 0, 1], shape: [5]).converted(to: source)
        #expect(small.converted(to: target).converted(to: .int64).array(of: Int64.self) == [0, 1, 1, 0, 1])
        #expect(small.converted(to: target).dtype == target)
        #expect(Tensor(source, [0, 3]).converted(to: target).shape == [0, 3])
      }
    }
  }
}
