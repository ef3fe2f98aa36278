import Foundation
import OrderedCollections

/// AdamW (Loshchilov and Hutter 2019) in the very order of operations of `torch.optim.AdamW` in float32, as its
/// implementation for single tensors has them.
public struct AdamW: Sendable {
  public var beta1 = 0.9
  public var beta2 = 0.999
  public var epsilon = 1e-8
  public var weightDecay = 0.01
  /// Steps that have been taken.
  public private(set) var step = 0
  /// Running means of gradients and of their squares, by parameter.
  public private(set) var first: [String: Tensor] = [:]
  public private(set) var second: [String: Tensor] = [:]

  public init(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0.01)
  {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
  }

  /// Goes on from a state that was kept.
  public mutating func restore(step: Int, first: [String: Tensor], second: [String: Tensor]) {
    self.step = step
    self.first = first
    self.second = second
  }

  /// Takes one step. Parameters and moments become new tensors; those handed in are left as they are.
  /// - Parameters:
  ///   - parameters: float32.
  ///   - gradients: of the same shapes; a parameter without one stays.
  public mutating func update(
    _ parameters: inout OrderedDictionary<String, Tensor>, gradients: [String: Tensor], learningRate: Double
  ) {
    step += 1
    let correction1 = 1 - pow(beta1, Double(step))
    let correction2 = 1 - pow(beta2, Double(step))
    let decay = Float(1 - learningRate * weightDecay)
    let stepSize = Float(-(learningRate / correction1))
    let root2 = Float(correction2.squareRoot())
    let (share1, keep2, share2) = (Float(1 - beta1), Float(beta2), Float(1 - beta2))
    let epsilon = Float(epsilon)
    for (name, old) in parameters {
      guard let gradient = gradients[name] else { continue }
      let parameter = old.copy()
      let m = first[name]?.copy() ?? .zeros(.float32, old.shape)
      let v = second[name]?.copy() ?? .zeros(.float32, old.shape)
      let (p, g) = (parameter.pointer(as: Float.self), gradient.pointer(as: Float.self))
      let (mean, square) = (m.pointer(as: Float.self), v.pointer(as: Float.self))
      for i in 0..<parameter.count {
        if weightDecay != 0 { p[i] *= decay }
        // torch.lerp, which turns round where the weight is one half or more.
        mean[i] =
          share1 < 0.5
          ? mean[i] + share1 * (g[i] - mean[i]) : g[i] - (g[i] - mean[i]) * (1 - share1)
        square[i] = square[i] * keep2 + share2 * g[i] * g[i]
        p[i] += stepSize * mean[i] / (square[i].squareRoot() / root2 + epsilon)
      }
      parameters[name] = parameter
      first[name] = m
      second[name] = v
    }
  }
}
