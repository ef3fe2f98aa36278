import GraphIR

/// The boxes that are left, of every class of every image, when those are dropped that overlap a better one too much:
/// rows of image, class and box, `[selected, 3]`. Boxes are `[images, boxes, 4]`, scores `[images, classes, boxes]`.
struct NonMaxSuppression: Operator {
  static let schema = Schema(
    "NonMaxSuppression", since: 11,
    inputs: [
      "boxes: F", "scores: F", "max_output_boxes_per_class?: I", "iou_threshold?: F", "score_threshold?: F",
    ],
    outputs: ["selected_indices: I"], types: ["F": [.float32], "I": [.int64]],
    attributes: ["center_point_box": .int(0)])
  let centered: Bool

  init(_ attributes: Attributes) throws {
    let form = try attributes.int("center_point_box") ?? 0
    guard form == 0 || form == 1 else { throw DataError("center_point_box is \(form), it must be 0 or 1") }
    centered = form == 1
  }

  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    if let boxes = try inputs.shape(0), let scores = try inputs.shape(1) {
      guard boxes.count == 3, scores.count == 3, boxes[2].agrees(with: 4), boxes[0].agrees(with: scores[0]),
        boxes[1].agrees(with: scores[2])
      else { throw DataError("boxes \(try inputs.type(0)) and scores \(try inputs.type(1)) do not fit") }
    }
    let known = inputs.types.indices.allSatisfy { inputs.types[$0] == nil || inputs.constant($0) != nil }
    let count = known ? try Dim.known(selected(inputs.constants).count / 3) : .unknown
    return [TensorType(.int64, [count, 3])]
  }

  func run(_ inputs: [Tensor?], into outputs: [Tensor?], _ context: RunContext) throws {
    guard let y = outputs[0] else { return }
    let rows = try selected(inputs)
    try Movement.check(y, is: [rows.count / 3, 3])
    y.assign(Tensor(rows.map { Int64($0) }, shape: y.shape))
  }

  private func selected(_ inputs: [Tensor?]) throws -> [Int] {
    let (boxes, scores) = (try Movement.input(inputs, 0), try Movement.input(inputs, 1))
    let limit = try Movement.ints(inputs, 2)?.first ?? 0
    let overlap = Movement.optional(inputs, 3)?.doubles().first ?? 0
    let least = Movement.optional(inputs, 4)?.doubles().first
    let (classes, count) = (scores.shape[1], boxes.shape[1])
    let corners = boxes.array(of: Float.self)
    let values = scores.array(of: Float.self)
    var rows: [Int] = []
    for image in 0..<boxes.shape[0] where limit > 0 && count > 0 {
      let areas = (0..<count).map {
        Area(corners[((image * count + $0) * 4)...].prefix(4), centered: centered)
      }
      for label in 0..<classes {
        let own = Array(values[((image * classes + label) * count)...].prefix(count))
        let candidates = (0..<count).filter { box in least.map { Double(own[box]) > $0 } ?? true }
        var kept: [Int] = []
        for box in candidates.sorted(by: { own[$0] > own[$1] || (own[$0] == own[$1] && $0 < $1) }) {
          if kept.count >= limit { break }
          if kept.contains(where: { areas[box].overlap(areas[$0]) > overlap }) { continue }
          kept.append(box)
          rows += [image, label, box]
        }
      }
    }
    return rows
  }

  private struct Area {
    let left, right, top, bottom: Double

    /// Two opposite corners, y first; or centre and size, x first.
    init(_ numbers: ArraySlice<Float>, centered: Bool) {
      let n = numbers.map { Double($0) }
      if centered {
        (left, right) = (n[0] - n[2] / 2, n[0] + n[2] / 2)
        (top, bottom) = (n[1] - n[3] / 2, n[1] + n[3] / 2)
      } else {
        (left, right) = (min(n[1], n[3]), max(n[1], n[3]))
        (top, bottom) = (min(n[0], n[2]), max(n[0], n[2]))
      }
    }

    private var size: Double { (right - left) * (bottom - top) }

    /// The part of both that is shared; 0 where one is empty.
    func overlap(_ other: Area) -> Double {
      let width = min(right, other.right) - max(left, other.left)
      let height = min(bottom, other.bottom) - max(top, other.top)
      guard width > 0, height > 0, size > 0, other.size > 0 else { return 0 }
      return width * height / (size + other.size - width * height)
    }
  }
}
