import Foundation
import GraphIR

/// Activations written out in primitives.
extension Rule {
  /// x/2 · (1 + erf(x/√2)), or x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))), in any order of the factors.
  public static let gelu: [Rule] = [
    gelu("erf", erf, approximate: "none"), gelu("tanh", tanh, approximate: "tanh"),
  ].flatMap { $0 }

  /// x · sigmoid(alpha · x) becomes dsd.Swish; with an alpha of 1.702 it is known as QuickGelu.
  public static let swish = Rule(
    "swish", op.Mul("x", op.Sigmoid(op.Mul("x", .scalar("alpha")))),
    replacement: { g, match in
      let alpha = ["alpha": Attribute.float(Float(try match.number("alpha")))]
      return g.emit("Swish", domain: "dsd", [match["x"]], alpha)[0]
    })

  private static let erf = op.Erf(
    .either([op.Div("x", .scalar("root")), op.Mul("x", .scalar("inverseRoot"))]))

  private static let tanh: Pattern = {
    let cube: Pattern = .either([
      op.Pow("x", .scalar("three")), op.Mul("x", op.Mul("x", "x")), op.Mul(op.Mul("x", "x"), "x"),
    ])
    let square: Pattern = .either([
      op.Mul(op.Mul("x", "x"), .scalar("cubic")), op.Mul(op.Mul("x", .scalar("cubic")), "x"),
    ])
    return op.Tanh(
      .either([
        op.Mul(op.Add("x", op.Mul(cube, .scalar("cubic"))), .scalar("linear")),
        op.Mul(op.Mul("x", .scalar("linear")), op.Add(square, .scalar("unit"))),
      ]))
  }()

  private static func gelu(_ name: String, _ curve: Pattern, approximate: String) -> [Rule] {
    let raised = op.Add(curve, .scalar("one"))
    let forms = [
      op.Mul(op.Mul("x", .scalar("half")), raised), op.Mul("x", op.Mul(raised, .scalar("half"))),
      op.Mul(op.Mul("x", raised), .scalar("half")),
    ]
    return forms.map { form in
      Rule(
        "gelu-\(name)", form,
        where: { match in
          let constants = [
            "half": 0.5, "one": 1, "unit": 1, "root": 2.0.squareRoot(), "inverseRoot": 0.5.squareRoot(),
            "three": 3, "cubic": 0.044715, "linear": (2 / Double.pi).squareRoot(),
          ]
          for (name, value) in constants.sorted(by: { $0.key < $1.key }) where match.isBound(name) {
            try match.require(name, is: value)
          }
        },
        replacement: { g, match in
          g.Gelu(match["x"], attributes: ["approximate": .string(approximate)])
        })
    }
  }
}
