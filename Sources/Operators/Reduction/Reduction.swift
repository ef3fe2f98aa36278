import GraphIR

extension OperatorSet {
  /// The family's operators, one line each.
  static let reduction: [any Operator.Type] = [
    ReduceSum.self,
    ReduceMean.self,
    ReduceMax.self,
    ReduceMin.self,
    ReduceProd.self,
    ReduceL1.self,
    ReduceL2.self,
    ReduceSumSquare.self,
    ReduceLogSum.self,
    ReduceLogSumExp.self,
    ArgMax.self,
    ArgMin.self,
    Softmax.self,
    LogSoftmax.self,
    Hardmax.self,
    CumSum.self,
    CumProd.self,
  ]
}
