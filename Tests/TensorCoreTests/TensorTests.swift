import TensorCore
import Testing

@Suite struct TensorTests {
  @Test func viewsMustLieInsideTheirStorage() {
    let storage = Storage(byteCount: 64)
    func fits(_ dtype: DType, _ shape: [Int], _ offset: Int) -> Bool {
      (try? Tensor(dtype, shape, in: storage, at: offset)) != nil
    }
    #expect(fits(.float32, [16], 0))
    #expect(fits(.float32, [0], 64))
    #expect(fits(.float32, [], 60))
    #expect(!fits(.float32, [17], 0))
    #expect(!fits(.float32, [1], 64))
    #expect(!fits(.float32, [1], 61))
    #expect(!fits(.float32, [1], -4))
    #expect(!fits(.float32, [2], 60))
    #expect(!fits(.float64, [1], 4))
    #expect(!fits(.float32, [-1], 0))
    #expect(!fits(.float32, [.max], 0))
    #expect(!fits(.float32, [1 << 40, 1 << 40], 0))
    #expect(!fits(.float64, [1 << 60], 0))
    #expect(!fits(.uint8, [1], .max))
    // An extent of 0 does not excuse a product that cannot be counted.
    #expect(!fits(.float32, [0, 1 << 40, 1 << 40], 0))
  }

  @Test func rowsAndShapesShareMemory() {
    let whole = Tensor((0..<12).map { Float($0) }, shape: [4, 3])
    let part = whole.rows(1..<3)
    #expect(part.shape == [2, 3])
    #expect(part.array(of: Float.self) == [3, 4, 5, 6, 7, 8])
    part.reshaped([6]).pointer(as: Float.self)[0] = -1
    #expect(whole.array(of: Float.self)[3] == -1)
    #expect(whole.copy().rows(0..<0).shape == [0, 3])
    #expect(Tensor(.float32, [0, 3]).rows(0..<0).count == 0)
    let copy = whole.copy()
    #expect(copy.isIdentical(to: whole))
    copy.pointer(as: Float.self)[0] = 5
    #expect(!copy.isIdentical(to: whole))
    #expect(!whole.isIdentical(to: whole.reshaped([12])))
  }

  /// A view keeps the storage alive.
  @Test func viewsOutliveTheirSource() {
    var part: Tensor?
    do { part = Tensor([Float](repeating: 7, count: 1 << 16), shape: [1 << 16]).rows(100..<103) }
    #expect(part!.array(of: Float.self) == [7, 7, 7])
  }

  @Test func ownedMemoryIsAligned() throws {
    for bytes in [0, 1, 63, 64, 1000] {
      #expect(Int(bitPattern: Storage(byteCount: bytes).base) % Storage.alignment == 0)
    }
    let placeholder = try Tensor.placeholder(.float32, [100])
    #expect(Int(bitPattern: placeholder.pointer) % Storage.alignment == 0)
    #expect(placeholder.isIdentical(to: .zeros(.float32, [100])))
  }

  @Test func descriptions() {
    #expect(Tensor([Float(1), 0.5], shape: [2]).description == "float32[2] {1, 0.5}")
    #expect(Tensor([Int64](0..<7), shape: [7]).description == "int64[7] {0, 1, 2, 3, 4, 5, …}")
    #expect(Tensor([Float.nan, .infinity], shape: [2]).description == "float32[2] {nan, inf}")
    #expect(Tensor([Double(1e300)], shape: [1]).description == "float64[1] {1e+300}")
    #expect(Tensor(.float32, [0]).description == "float32[0] {}")
  }
}

@Suite struct ShapeTests {
  @Test func counts() {
    #expect(Shape.checkedCount([]) == 1)
    #expect(Shape.checkedCount([2, 0, 5]) == 0)
    #expect(Shape.checkedCount([2, -1]) == nil)
    #expect(Shape.checkedCount([1 << 40, 1 << 40]) == nil)
    #expect(Shape.checkedCount([1 << 40, 0, 1 << 40]) == nil)
  }

  @Test func strides() {
    #expect(Shape.strides([]) == [])
    #expect(Shape.strides([2, 3, 4]) == [12, 4, 1])
    #expect(Shape.broadcastStrides([3, 1], to: [2, 3, 4]) == [0, 1, 0])
    #expect(Shape.broadcastStrides([], to: [2, 2]) == [0, 0])
  }
}
