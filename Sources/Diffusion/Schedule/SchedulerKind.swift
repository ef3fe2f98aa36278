/// What a scheduler class of diffusers says about noising; its way of sampling plays no part here.
struct SchedulerKind: Sendable {
  /// diffusers' class name, the `_class_name` of a configuration.
  let name: String
  let family: NoiseSchedule.Family
  /// The class's own defaults for keys that the file lacks.
  var betaStart = 0.0001
  var betaEnd = 0.02
  var betaSchedule = NoiseSchedule.BetaSchedule.linear
  var spacing = NoiseSchedule.TimestepSpacing.linspace
  /// Whether the class has `rescale_betas_zero_snr`.
  var canRescale = true
  /// Whether a rescaled last ᾱ is 2⁻²⁴ instead of 0, so that σ stays finite.
  var keepsFloor = false

  /// Every class that noises latents by ᾱ or by σ.
  static let all: [SchedulerKind] = [
    SchedulerKind(name: "EulerDiscreteScheduler", family: .euler, keepsFloor: true),
    SchedulerKind(name: "EulerAncestralDiscreteScheduler", family: .euler, keepsFloor: true),
    SchedulerKind(name: "LMSDiscreteScheduler", family: .euler, canRescale: false),
    karras("HeunDiscreteScheduler"),
    karras("KDPM2DiscreteScheduler"),
    karras("KDPM2AncestralDiscreteScheduler"),
    karras("DPMSolverSDEScheduler"),
    SchedulerKind(name: "DDPMScheduler", family: .ddpm, spacing: .leading),
    SchedulerKind(name: "DDPMParallelScheduler", family: .ddpm, spacing: .leading),
    SchedulerKind(name: "DDIMScheduler", family: .ddpm, spacing: .leading),
    SchedulerKind(name: "DDIMParallelScheduler", family: .ddpm, spacing: .leading),
    SchedulerKind(name: "DDIMInverseScheduler", family: .ddpm, spacing: .leading),
    SchedulerKind(name: "PNDMScheduler", family: .ddpm, spacing: .leading, canRescale: false),
    SchedulerKind(name: "DEISMultistepScheduler", family: .ddpm, canRescale: false),
    SchedulerKind(name: "DPMSolverMultistepScheduler", family: .ddpm, keepsFloor: true),
    SchedulerKind(name: "DPMSolverSinglestepScheduler", family: .ddpm, canRescale: false),
    SchedulerKind(name: "DPMSolverMultistepInverseScheduler", family: .ddpm, canRescale: false),
    SchedulerKind(name: "UniPCMultistepScheduler", family: .ddpm, keepsFloor: true),
    SchedulerKind(name: "SASolverScheduler", family: .ddpm, canRescale: false),
    distilled("LCMScheduler"),
    distilled("TCDScheduler"),
  ]

  private static func karras(_ name: String) -> SchedulerKind {
    SchedulerKind(name: name, family: .euler, betaStart: 0.00085, betaEnd: 0.012, canRescale: false)
  }

  private static func distilled(_ name: String) -> SchedulerKind {
    SchedulerKind(
      name: name, family: .ddpm, betaStart: 0.00085, betaEnd: 0.012, betaSchedule: .scaledLinear,
      spacing: .leading)
  }
}
