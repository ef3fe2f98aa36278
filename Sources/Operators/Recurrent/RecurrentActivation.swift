import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// An activation function of a recurrent operator, by its name in the attribute `activations`.
struct RecurrentActivation {
  let name: String
  let alpha: Double
  let beta: Double

  /// Defaults of alpha and beta; nil where a function takes none.
  private static let known: [String: (alpha: Double?, beta: Double?)] = [
    "relu": (nil, nil), "tanh": (nil, nil), "sigmoid": (nil, nil), "softsign": (nil, nil),
    "softplus": (nil, nil), "affine": (1, 0), "leakyrelu": (0.01, nil), "thresholdedrelu": (1, nil),
    "scaledtanh": (1, 1), "hardsigmoid": (0.2, 0.5), "elu": (1, nil),
  ]

  /// The functions of a list; alphas and betas go in order to the functions that take one.
  /// - Throws: `DataError` when a name is not known.
  static func list(_ names: [String], alphas: [Float], betas: [Float]) throws -> [RecurrentActivation] {
    var (alphas, betas) = (alphas[...], betas[...])
    return try names.map { name in
      guard let defaults = known[name.lowercased()] else {
        throw DataError("the activation '\(name)' is not known")
      }
      let alpha = defaults.alpha.map { value in alphas.popFirst().map { Double($0) } ?? value }
      let beta = defaults.beta.map { value in betas.popFirst().map { Double($0) } ?? value }
      return RecurrentActivation(name: name.lowercased(), alpha: alpha ?? 0, beta: beta ?? 0)
    }
  }

  func callAsFunction<T: MatrixScalar>(_ value: T) -> T {
    let x = Double(value)
    switch name {
    case "relu": return max(0, value)
    case "tanh": return T(Glibc.tanh(x))
    case "sigmoid": return T(1 / (1 + exp(-x)))
    case "softsign": return T(x / (1 + abs(x)))
    case "softplus": return T(max(x, 0) + log1p(exp(-abs(x))))
    case "affine": return T(alpha * x + beta)
    case "leakyrelu": return T(x < 0 ? alpha * x : x)
    case "thresholdedrelu": return T(x > alpha ? x : 0)
    case "scaledtanh": return T(alpha * Glibc.tanh(beta * x))
    case "hardsigmoid": return T(min(1, max(0, alpha * x + beta)))
    default: return T(x < 0 ? alpha * expm1(x) : x)
    }
  }
}
