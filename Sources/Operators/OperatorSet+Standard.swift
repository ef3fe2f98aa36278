import GraphIR

extension OperatorSet {
  /// Every operator of this project: ONNX's default domain and our own (`dsd`).
  ///
  /// Each family's list is beside its operators: a new operator is one file and one line there.
  public static let standard = OperatorSet(
    elementwise + reduction + normalization + movement + matrix + pooling + recurrent + vision
      + flow + sequence + quantization + signal, opsets: 7...28)
}
