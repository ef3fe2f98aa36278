/// What the attention term of a pair is told relative to.
public enum Normalization: String, Sendable, CaseIterable {
  case none
  /// The empty caption's attention term for the same image and timestep. Over content positions the empty
  /// caption is read at the positions of the caption that it stands beside.
  case emptyCaption = "empty-caption"
  /// The same caption's for a latent of zeros, that is for nothing but the timestep's noise.
  case noise
  /// The mean over the run's images for the same caption and timestep.
  case images
}
