import Interpreter

extension Axis {
  public static let image = Axis(rawValue: "image")
  public static let text = Axis(rawValue: "text")
  public static let timestep = Axis(rawValue: "timestep")
}
