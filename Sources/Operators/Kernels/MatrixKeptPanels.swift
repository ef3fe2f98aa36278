import GraphIR

/// A constant factor of a product, in panels.
struct KeptPanels: Sendable {
  enum Side: String, Sendable {
    case left, right
  }

  let plan: PanelPlan
  let storage: Storage

  func run(_ product: MatrixProduct<Float>, _ context: RunContext) {
    PanelProduct(plan, product, kept: storage.base.assumingMemoryBound(to: Float.self)).run(context)
  }

  /// What an operator can keep of `weight`, an operand of a product as planned.
  /// - Parameter reading: the operator that has the panels.
  static func keepable(
    _ weight: Tensor, _ operand: MatrixOperand<Float>, _ plan: PanelPlan, alpha: Float = 1,
    reading: @escaping (KeptPanels) -> any Operator
  ) -> KeepableWeight {
    let kernels = plan.kernels
    let isLeft = plan.kept == .left
    let panels = isLeft ? kernels.panels(rows: plan.m) : kernels.panels(columns: plan.n)
    let panel = isLeft ? plan.leftPanel : plan.rightPanel
    return KeepableWeight(
      of: weight,
      layout:
        "\(plan.kept!) \(isLeft ? plan.m : plan.n)×\(plan.k) \(operand.isTransposed) \(kernels.elements) \(alpha)",
      byteCount: panels * panel * MemoryLayout<Float>.size,
      fill: { memory, pool in
        let base = memory.assumingMemoryBound(to: Float.self)
        pool.forEach(panels) { position in
          let target = base + position * panel
          if isLeft {
            // Room behind the last step is read along with it.
            target.update(repeating: 0, count: panel)
            let row = position * kernels.rows
            plan.packLeft(operand, alpha, row..<min(plan.m, row + kernels.rows), to: target)
          } else {
            plan.packRight(operand, position * kernels.columns, to: target)
          }
        }
        withExtendedLifetime(weight) {}
      },
      reading: { reading(KeptPanels(plan: plan, storage: $0)) })
  }
}
