import GraphIR

#if canImport(Glibc)
  import Glibc
#endif

/// An activation function of a recurrent operator.
struct RecurrentActivation {
  /// The functions by their names in the attribute `activations`, in lower case.
  enum Kind: String {
    case relu, tanh, sigmoid, softsign, softplus, affine, leakyrelu, thresholdedrelu, scaledtanh, hardsigmoid,
      elu

    /// Defaults of alpha and beta; nil where a function takes none.
    var defaults: (alpha: Double?, beta: Double?) {
      switch self {
      case .relu, .tanh, .sigmoid, .softsign, .softplus: (nil, nil)
      case .affine: (1, 0)
      case .leakyrelu: (0.01, nil)
      case .thresholdedrelu, .elu: (1, nil)
      case .scaledtanh: (1, 1)
      case .hardsigmoid: (0.2, 0.5)
      }
    }
  }

  let kind: Kind
  let alpha: Double
  let beta: Double

  /// The functions of a list; alphas and betas go in order to the functions that take one.
  /// - Throws: `DataError` when a name is not known.
  static func list(_ names: [String], alphas: [Float], betas: [Float]) throws -> [RecurrentActivation] {
    var (alphas, betas) = (alphas[...], betas[...])
    return try names.map { name in
      guard let kind = Kind(rawValue: name.lowercased()) else {
        throw DataError("the activation '\(name)' is not known")
      }
      let alpha = kind.defaults.alpha.map { value in alphas.popFirst().map { Double($0) } ?? value }
      let beta = kind.defaults.beta.map { value in betas.popFirst().map { Double($0) } ?? value }
      return RecurrentActivation(kind: kind, alpha: alpha ?? 0, beta: beta ?? 0)
    }
  }

  func callAsFunction<T: MatrixScalar>(_ value: T) -> T {
    let x = Double(value)
    switch kind {
    case .relu: return max(0, value)
    case .tanh: return T(Glibc.tanh(x))
    case .sigmoid: return T(1 / (1 + exp(-x)))
    case .softsign: return T(x / (1 + abs(x)))
    case .softplus: return T(max(x, 0) + log1p(exp(-abs(x))))
    case .affine: return T(alpha * x + beta)
    case .leakyrelu: return T(x < 0 ? alpha * x : x)
    case .thresholdedrelu: return T(x > alpha ? x : 0)
    case .scaledtanh: return T(alpha * Glibc.tanh(beta * x))
    case .hardsigmoid: return T(min(1, max(0, alpha * x + beta)))
    case .elu: return T(x < 0 ? alpha * expm1(x) : x)
    }
  }
}
