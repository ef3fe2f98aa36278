import Foundation
import Testing

@testable import Discriminative

@Suite struct HeatScaleTests {
  /// An sRGB colour in OKLab, the other way round than the scale computes it.
  private func lab(_ colour: HeatScale.Colour) -> HeatScale.Lab {
    func linear(_ byte: UInt8) -> Double {
      let value = Double(byte) / 255
      return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
    }
    let (r, g, b) = (linear(colour.red), linear(colour.green), linear(colour.blue))
    let l = cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    let m = cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    let s = cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    return (
      0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s,
      1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
      0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s
    )
  }

  @Test func stepsAreEven() {
    // 32 steps are large beside the rounding to bytes.
    let colours = HeatScale(count: 33).colours.map(lab)
    let steps = zip(colours, colours.dropFirst()).map { HeatScale.distance($0, $1) }
    let mean = steps.reduce(0, +) / Double(steps.count)
    #expect(steps.allSatisfy { abs($0 - mean) <= 0.1 * mean }, "\(steps)")
  }

  @Test func lightnessRises() {
    let lightness = HeatScale.standard.colours.map { lab($0).lightness }
    #expect(zip(lightness, lightness.dropFirst()).allSatisfy { $0 < $1 + 0.002 })
    #expect(lightness[0] < 0.22 && lightness[255] > 0.93)
  }

  @Test func nothingIsClipped() {
    for i in 0...1000 {
      let light = HeatScale.linear(HeatScale.path(Double(i) / 1000))
      #expect(light.allSatisfy { (0...1).contains($0) })
    }
  }

  @Test func endsAndBeyond() {
    let scale = HeatScale.standard
    #expect(scale[0] == scale[-3] && scale[1] == scale[9] && scale[.nan] == scale[0])
    #expect(scale[0] != scale[1])
  }
}
