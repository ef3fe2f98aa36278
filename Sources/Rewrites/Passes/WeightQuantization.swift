import CKernels
import GraphIR

/// Stores the weights of products and convolutions as whole numbers of 8 bits, with a scale for each output channel:
/// w ≈ scale · q, scale = max |w| / 127. A DequantizeLinear node gives them back.
///
/// Half the memory of 16-bit floats where `MemoryUse.low` keeps them so, see there.
public struct WeightQuantization: Sendable {
  /// Weights of fewer elements stay.
  private static let least = 1 << 12

  public init() {}

  /// - Returns: the graph, and how many weights have been replaced.
  public func apply(_ graph: Graph) -> (graph: Graph, count: Int) {
    let index = GraphIndex(graph)
    var result = graph
    var dequantizers: [Node] = []
    var count = 0
    for (name, initializer) in graph.initializers.sorted(by: { $0.key < $1.key }) {
      guard let weight = initializer.tensor, [.float32, .float16, .bfloat16].contains(weight.dtype),
        weight.rank >= 2, weight.count >= Self.least, !graph.outputs.contains(where: { $0.name == name })
      else { continue }
      // Behind a Cast, the weight is what that gives.
      var value = name
      var type = weight.dtype
      var cast: Int?
      if let only = index.consumers[name], only.count == 1, graph.nodes[only[0]].op == "Cast" {
        guard case .int(let to)? = graph.nodes[only[0]].attributes["to"],
          let wide = DType(rawValue: Int32(truncatingIfNeeded: to)),
          [.float32, .float16, .bfloat16].contains(wide)
        else { continue }
        (cast, type, value) = (only[0], wide, graph.nodes[only[0]].outputs[0])
      }
      guard let axis = outputAxis(of: value, rank: weight.rank, graph, index),
        let (codes, scales) = Self.quantized(weight, axis: axis)
      else { continue }
      result.initializers[name] = nil
      result.initializers["\(name).int8"] = Initializer(codes)
      result.initializers["\(name).scale"] = Initializer(scales.converted(to: type))
      dequantizers.append(
        Node(
          "DequantizeLinear", name: "\(name)/DequantizeLinear", inputs: ["\(name).int8", "\(name).scale"],
          outputs: [value], attributes: ["axis": .int(axis)]))
      if let cast { result.nodes[cast].outputs = [] }
      count += 1
    }
    result.nodes = dequantizers + result.nodes.filter { !($0.op == "Cast" && $0.outputs.isEmpty) }
    return (result, count)
  }

  /// The axis of output channels, where all that reads a value are products that have it as their weight.
  private func outputAxis(of value: String, rank: Int, _ graph: Graph, _ index: GraphIndex) -> Int? {
    var axes: Set<Int> = []
    guard let consumers = index.consumers[value], !consumers.isEmpty else { return nil }
    for position in consumers {
      let node = graph.nodes[position]
      switch node.op {
      case "Conv" where node.inputs.count > 1 && node.inputs[1] == value && node.inputs[0] != value:
        axes.insert(0)
      case "MatMul" where node.inputs[1] == value && node.inputs[0] != value: axes.insert(rank - 1)
      case "Linear" where node.inputs[1] == value && node.inputs[0] != value: axes.insert(0)
      case "Gemm" where node.inputs[1] == value && node.inputs[0] != value:
        axes.insert(node.attributes["transB"] == .int(1) ? 0 : 1)
      case "Transpose" where rank == 2:
        let inner = outputAxis(of: node.outputs[0], rank: 2, graph, index)
        guard let inner else { return nil }
        axes.insert(1 - inner)
      default: return nil
      }
    }
    return axes.count == 1 ? axes.first : nil
  }

  /// Nil for a weight that has elements beyond all scales: infinite ones, or no numbers.
  private static func quantized(_ weight: Tensor, axis: Int) -> (codes: Tensor, scales: Tensor)? {
    let codes = Tensor(.int8, weight.shape)
    let channels = weight.shape[axis]
    let scales = Tensor(.float32, [channels])
    let scale = scales.pointer(as: Float.self)
    scale.update(repeating: 0, count: channels)
    // Some rows at a time, as float32.
    let (rows, row) = (weight.shape[0], weight.count / weight.shape[0])
    let inner = weight.shape[(axis + 1)...].reduce(1, *)
    let step = max(1, (1 << 20) / max(row, 1))
    let isInnermost = axis == weight.rank - 1
    // What has one scale, or one for each of its elements.
    let line = isInnermost ? channels : inner
    let wide = Tensor(.float32, [min(rows, step) * row])
    func forEachLine(_ body: (_ line: UnsafePointer<Float>, _ first: Int, _ count: Int) -> Void) {
      withExtendedLifetime((weight, wide)) {
        for first in stride(from: 0, to: rows, by: step) {
          let count = min(step, rows - first) * row
          var x = UnsafePointer(wide.pointer(as: Float.self))
          let source = weight.pointer + first * row * weight.dtype.size
          switch weight.dtype {
          case .float16:
            ck_f16_to_f32(source.assumingMemoryBound(to: UInt16.self), wide.pointer(as: Float.self), count)
          case .bfloat16:
            ck_bf16_to_f32(source.assumingMemoryBound(to: UInt16.self), wide.pointer(as: Float.self), count)
          default: x = UnsafePointer(source.assumingMemoryBound(to: Float.self))
          }
          for i in stride(from: 0, to: count, by: line) { body(x + i, first * row + i, line) }
        }
      }
    }
    func place(_ first: Int) -> Int { isInnermost ? 0 : first / inner % channels }
    forEachLine { x, first, count in
      if isInnermost {
        ck_peaks_f32(x, count, scale)
      } else {
        scale[place(first)] = max(scale[place(first)], ck_peak_f32(x, count))
      }
    }
    var inverses: [Float] = []
    for channel in 0..<channels {
      guard scale[channel].isFinite else { return nil }
      // A channel of next to nothing is one of zeros.
      scale[channel] = scale[channel] > 1e-30 ? scale[channel] / 127 : 1
      inverses.append(1 / scale[channel])
    }
    let q = codes.pointer(as: Int8.self)
    forEachLine { x, first, count in
      inverses.withUnsafeBufferPointer {
        ck_quantize_s8(x, q + first, count, $0.baseAddress! + place(first), isInnermost ? 1 : 0)
      }
    }
    withExtendedLifetime((codes, scales)) {}
    weight.releasePages()
    return (codes, scales)
  }
}
