import Foundation

/// Writes PNG files of any kind, stored without compression, to test the reader with.
struct SamplePNG {
  var width: Int
  var height: Int
  var depth = 8
  /// 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
  var color = 2
  var palette: [UInt8] = []
  var transparency: [UInt8] = []
  /// Rows with a filter byte in front of each.
  var rows: [UInt8]

  var data: Data {
    var bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    let sizes = SamplePNG.big(UInt32(width)) + SamplePNG.big(UInt32(height))
    bytes += SamplePNG.chunk("IHDR", sizes + [UInt8(depth), UInt8(color), 0, 0, 0])
    if !palette.isEmpty { bytes += SamplePNG.chunk("PLTE", palette) }
    if !transparency.isEmpty { bytes += SamplePNG.chunk("tRNS", transparency) }
    let length = UInt16(rows.count)
    let stored = [0x78, 0x01, 0x01] + SamplePNG.little(length) + SamplePNG.little(~length) + rows
    bytes += SamplePNG.chunk("IDAT", stored + SamplePNG.big(SamplePNG.adler(rows)))
    return Data(bytes + SamplePNG.chunk("IEND", []))
  }

  static func big(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  private static func little(_ value: UInt16) -> [UInt8] {
    [UInt8(truncatingIfNeeded: value), UInt8(truncatingIfNeeded: value >> 8)]
  }

  private static func adler(_ bytes: [UInt8]) -> UInt32 {
    var (a, b): (UInt32, UInt32) = (1, 0)
    for byte in bytes {
      a = (a + UInt32(byte)) % 65521
      b = (b + a) % 65521
    }
    return b << 16 | a
  }

  private static func chunk(_ name: String, _ body: [UInt8]) -> [UInt8] {
    let content = Array(name.utf8) + body
    var crc: UInt32 = ~0
    for byte in content {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 0 ? crc >> 1 : crc >> 1 ^ 0xEDB8_8320 }
    }
    return big(UInt32(body.count)) + content + big(~crc)
  }
}
