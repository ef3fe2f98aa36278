#if canImport(Glibc)
  import Glibc
#endif

/// The discrete Fourier transform of one length: X[k] = Σ x[n] e^(∓2πi kn / N), without a factor in front.
///
/// Powers of two go the way of Cooley and Tukey; other lengths are a convolution with a chirp (Bluestein), done with
/// transforms of a power of two.
struct FourierTransform {
  let length: Int
  let isInverse: Bool
  /// e^(∓2πi k / N) for the first half of a power of two.
  private var roots: [(re: Double, im: Double)] = []
  /// e^(∓πi n² / N) for other lengths, and the transform of its conjugate.
  private var chirp: [(re: Double, im: Double)] = []
  private var filter: (re: [Double], im: [Double]) = ([], [])
  private var inner: [FourierTransform] = []

  init(length: Int, isInverse: Bool = false) {
    self.length = length
    self.isInverse = isInverse
    let sign = isInverse ? 1.0 : -1.0
    if length & (length - 1) == 0 {
      roots = (0..<length / 2).map { k in
        let angle = sign * 2 * Double.pi * Double(k) / Double(length)
        return (cos(angle), sin(angle))
      }
      return
    }
    // n² grows beyond what an angle keeps exactly, its remainder does not.
    chirp = (0..<length).map { n in
      let angle = sign * Double.pi * Double(n * n % (2 * length)) / Double(length)
      return (cos(angle), sin(angle))
    }
    var size = 1
    while size < 2 * length - 1 { size *= 2 }
    inner = [FourierTransform(length: size), FourierTransform(length: size, isInverse: true)]
    filter = ([Double](repeating: 0, count: size), [Double](repeating: 0, count: size))
    for n in 0..<length {
      for place in [n, (size - n) % size] {
        (filter.re[place], filter.im[place]) = (chirp[n].re, -chirp[n].im)
      }
    }
    inner[0].run(&filter.re, &filter.im)
  }

  /// Transforms in place.
  func run(_ re: inout [Double], _ im: inout [Double]) {
    chirp.isEmpty ? runPowerOfTwo(&re, &im) : runChirp(&re, &im)
  }

  private func runPowerOfTwo(_ re: inout [Double], _ im: inout [Double]) {
    var place = 0
    for n in 0..<length {
      if n < place {
        re.swapAt(n, place)
        im.swapAt(n, place)
      }
      // The next number with its bits in reverse.
      var bit = length >> 1
      while bit > 0, place & bit != 0 {
        place ^= bit
        bit >>= 1
      }
      place |= bit
    }
    var half = 1
    while half < length {
      let step = length / (2 * half)
      for start in stride(from: 0, to: length, by: 2 * half) {
        for k in 0..<half {
          let root = roots[k * step]
          let (low, high) = (start + k, start + k + half)
          let (x, y) = (re[high] * root.re - im[high] * root.im, re[high] * root.im + im[high] * root.re)
          (re[high], im[high]) = (re[low] - x, im[low] - y)
          (re[low], im[low]) = (re[low] + x, im[low] + y)
        }
      }
      half *= 2
    }
  }

  private func runChirp(_ re: inout [Double], _ im: inout [Double]) {
    let size = filter.re.count
    var (a, b) = ([Double](repeating: 0, count: size), [Double](repeating: 0, count: size))
    for n in 0..<length {
      (a[n], b[n]) = (re[n] * chirp[n].re - im[n] * chirp[n].im, re[n] * chirp[n].im + im[n] * chirp[n].re)
    }
    inner[0].run(&a, &b)
    for k in 0..<size {
      (a[k], b[k]) = (a[k] * filter.re[k] - b[k] * filter.im[k], a[k] * filter.im[k] + b[k] * filter.re[k])
    }
    inner[1].run(&a, &b)
    for n in 0..<length {
      let (x, y) = (a[n] / Double(size), b[n] / Double(size))
      (re[n], im[n]) = (x * chirp[n].re - y * chirp[n].im, x * chirp[n].im + y * chirp[n].re)
    }
  }
}
