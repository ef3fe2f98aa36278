import CommandLineSupport
import Foundation

/// What a training run tells people.
enum TrainProgress {
  /// A line for the work before the first step.
  static func preparation() -> (String, Int, Int) -> Void {
    var meters: [String: (Int, Int) -> Void] = [:]
    return { label, done, total in
      if meters[label] == nil { meters[label] = Terminal.progress(label) }
      meters[label]!(done, total)
    }
  }

  /// Loss and accuracy over the last steps, the last validation, the rate and the time left.
  static func steps(_ options: TrainingOptions, from first: Int) -> (TrainingState) -> Void {
    let start = Date()
    return { state in
      let recent = state.history.steps.suffix(20)
      var text = "\r\u{1B}[Kstep \(state.step)/\(options.steps)"
      if !recent.isEmpty {
        let count = Double(recent.count)
        text += String(
          format: ", loss %.4f, accuracy %.3f", recent.reduce(0) { $0 + $1.loss } / count,
          recent.reduce(0) { $0 + $1.accuracy } / count)
      }
      if let last = state.history.validations.last {
        text += String(format: ", validation %.4f, %.3f", last.loss, last.accuracy)
      }
      let seconds = Date().timeIntervalSince(start)
      if state.step > first, seconds > 0 {
        let rate = Double(state.step - first) / seconds
        let left = Terminal.duration(Double(options.steps - state.step) / rate)
        text += String(format: ", %.1f steps/s, %@ left", rate, left)
      }
      FileHandle.standardError.write(Data(text.utf8))
    }
  }

  /// Lines about a run that has ended.
  static func summary(
    _ history: TrainingHistory, _ ending: Trainer.Ending, _ options: TrainingOptions
  ) -> [String] {
    var lines: [String] = []
    let last = history.steps.suffix(20)
    if !last.isEmpty {
      let count = Double(last.count)
      lines.append(
        String(
          format: "training: loss %.4f, accuracy %.3f over the last %d of %d steps",
          last.reduce(0) { $0 + $1.loss } / count, last.reduce(0) { $0 + $1.accuracy } / count, last.count,
          history.steps.count) + (ending == .stoppedEarly ? ", stopped early" : ""))
    }
    if let first = history.validations.first, let best = history.best {
      let entry = history.validations[best]
      lines.append(
        String(
          format:
            "validation: loss %.4f, accuracy %.3f at step %d, which is kept; before: loss %.4f, accuracy %.3f",
          entry.loss, entry.accuracy, entry.step, first.loss, first.accuracy))
    }
    return lines
  }

  static func shown(_ result: BatchResult) -> String {
    String(
      format: "loss %.4f, accuracy %.3f", result.loss,
      Double(result.right) / Double(max(result.examples.count, 1)))
  }
}
