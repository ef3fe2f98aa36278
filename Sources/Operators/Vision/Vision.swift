import GraphIR

extension OperatorSet {
  /// The family's operators, one line each. Resize and Upsample are among the movement operators.
  static let vision: [any Operator.Type] = [
    AffineGrid.self,
    GridSample.self,
    Col2Im.self,
    RoiAlign.self,
    MaxRoiPool.self,
    NonMaxSuppression.self,
    DeformConv.self,
  ]
}
