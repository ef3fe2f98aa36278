import GraphIR

extension OperatorSet {
  /// The family's operators, one line each.
  static let normalization: [any Operator.Type] = [
    LayerNormalization.self,
    LayerNormalizationGradient.self,
    GroupNormalization.self,
    ChannelGroupNormalization.self,
    GroupNormalizationGradient.self,
    InstanceNormalization.self,
    BatchNormalization.self,
    LpNormalization.self,
    RMSNormalization.self,
    MeanVarianceNormalization.self,
    LRN.self,
    Dropout.self,
  ]
}
