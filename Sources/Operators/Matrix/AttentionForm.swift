import GraphIR

/// The attributes of attention, ONNX's and ours alike.
struct AttentionForm {
  /// The attributes that both schemas declare.
  static let attributes: [String: Schema.Default] = [
    "is_causal": .int(0), "kv_num_heads": .none, "q_num_heads": .none, "left_window_size": .int(-1),
    "qk_matmul_output_mode": .int(0), "right_window_size": .int(-1), "scale": .none,
    "softcap": .float(0), "softmax_precision": .none,
  ]
  static let inputs: [Schema.Parameter] = [
    "Q: T1", "K: T1", "V: T2", "attn_mask?: U", "past_key?: T1", "past_value?: T2",
    "nonpad_kv_seqlen?: I",
  ]
  static let outputs: [Schema.Parameter] = [
    "Y: T1", "present_key?: T1", "present_value?: T2", "qk_matmul_output?: T1",
  ]
  static let types: [String: Set<DType>] = ["T1": .floats, "T2": .floats, "U": .all, "I": [.int64]]

  /// What `qk_matmul_output` holds.
  enum Stage: Int {
    case product, softCapped, masked, probabilities
  }

  let isCausal: Bool
  let queryHeads: Int?
  let keyHeads: Int?
  let stage: Stage
  let scale: Float?
  let softcap: Float
  /// The type of the softmax where it is not that of the query.
  let softmaxPrecision: DType?
  /// Of the products.
  let precision: ProductPrecision
  /// How far a query sees to either side of its own position; nil without bound.
  let leftWindow: Int?
  let rightWindow: Int?
  /// Whether a mask that is 1 key wide hides all keys but the first (opset 24), rather than repeating.
  let padsMask: Bool

  init(_ attributes: Attributes, padsMask: Bool) throws {
    isCausal = try attributes.bool("is_causal")
    func heads(_ name: String) throws -> Int? {
      guard let value = try attributes.int(name), value != 0 else { return nil }
      guard value > 0, value <= Int(Int32.max) else { throw DataError("\(name) is \(value)") }
      return value
    }
    queryHeads = try heads("q_num_heads")
    keyHeads = try heads("kv_num_heads")
    let mode = try attributes.int("qk_matmul_output_mode") ?? 0
    guard let stage = Stage(rawValue: mode) else {
      throw DataError("qk_matmul_output_mode is \(mode), not 0 to 3")
    }
    self.stage = stage
    scale = try attributes.float("scale")
    softcap = try attributes.float("softcap") ?? 0
    precision = attributes.precision
    softmaxPrecision = try attributes.int("softmax_precision").flatMap { code in
      if code == 0 { return nil }
      guard let dtype = Int32(exactly: code).flatMap(DType.init(rawValue:)), dtype.isFloat else {
        throw DataError("softmax_precision \(code) is not a floating-point type")
      }
      return dtype
    }
    func window(_ name: String) throws -> Int? {
      let value = try attributes.int(name) ?? -1
      guard value >= -1 else { throw DataError("\(name) is \(value)") }
      return value == -1 ? nil : min(value, Int(Int32.max))
    }
    leftWindow = try window("left_window_size")
    rightWindow = try window("right_window_size")
    self.padsMask = padsMask
  }

  private typealias Extent = WritableKeyPath<AttentionExtents, Dim>

  /// The extents that the types of the inputs imply; unknown where they say nothing.
  /// - Throws: `DataError` when they contradict each other.
  func extents(_ inputs: [TensorType?]) throws -> AttentionExtents {
    func shape(_ position: Int) -> [Dim]? { position < inputs.count ? inputs[position]?.shape : nil }
    func has(_ position: Int) -> Bool { position < inputs.count && inputs[position] != nil }
    var result = AttentionExtents()
    guard let rank = shape(0)?.count ?? shape(1)?.count ?? shape(2)?.count else { return result }
    guard rank == 3 || rank == 4 else { throw DataError("the query has rank \(rank), not 3 or 4") }
    result.isPacked = rank == 3
    if rank == 3 {
      guard let queryHeads, let keyHeads else {
        throw DataError("rank-3 inputs need q_num_heads and kv_num_heads")
      }
      result.queryHeads = .known(queryHeads)
      result.keyHeads = .known(keyHeads)
    }
    for (position, name) in ["query", "key", "value"].enumerated() {
      guard let own = shape(position) else { continue }
      guard own.count == rank else { throw DataError("the \(name) has rank \(own.count), not \(rank)") }
      try join(&result.batch, own[0], "batch sizes")
      let heads: Extent = position == 0 ? \.queryHeads : \.keyHeads
      let count: Extent = position == 0 ? \.queries : \.keys
      let width: Extent = position == 2 ? \.valueSize : \.headSize
      if rank == 4 { try join(&result[keyPath: heads], own[1], "head counts") }
      try join(&result[keyPath: count], own[rank - 2], "key counts")
      var size = own[rank - 1]
      if rank == 3, let hidden = size.value, let heads = result[keyPath: heads].value {
        guard hidden % heads == 0 else {
          throw DataError("the \(name)'s width \(hidden) does not part into \(heads) heads")
        }
        size = .known(hidden / heads)
      } else if rank == 3 {
        size = .unknown
      }
      try join(&result[keyPath: width], size, "head sizes")
    }
    if let q = result.queryHeads.value, let k = result.keyHeads.value {
      guard k > 0 ? q % k == 0 : q == 0 else {
        throw DataError("\(q) query heads are not a multiple of \(k) key heads")
      }
      if rank == 4, (queryHeads ?? q) != q || (keyHeads ?? k) != k {
        throw DataError("q_num_heads and kv_num_heads differ from the inputs' \(q) and \(k)")
      }
    }
    guard has(4) == has(5) else { throw DataError("past_key and past_value go together") }
    result.hasPast = has(4)
    if has(4) {
      if has(6) { throw DataError("nonpad_kv_seqlen and past_key exclude each other") }
      result.past = .unknown
      let sizes: [(Int, Extent)] = [(4, \.headSize), (5, \.valueSize)]
      for (position, size) in sizes {
        guard let past = shape(position) else { continue }
        guard past.count == 4 else { throw DataError("the past has rank \(past.count), not 4") }
        try join(&result.batch, past[0], "batch sizes")
        try join(&result.keyHeads, past[1], "head counts")
        try join(&result.past, past[2], "past lengths")
        try join(&result[keyPath: size], past[3], "head sizes")
      }
    }
    if let count = shape(6) {
      guard count.count == 1 else { throw DataError("nonpad_kv_seqlen has rank \(count.count), not 1") }
      try join(&result.batch, count[0], "batch sizes")
    }
    if let mask = shape(3) { try checkMask(mask, result) }
    return result
  }

  private func checkMask(_ mask: [Dim], _ extents: AttentionExtents) throws {
    let full = [extents.batch, extents.queryHeads, extents.queries, extents.total]
    guard mask.count <= 4 else { throw DataError("the mask has rank \(mask.count), at most 4 is allowed") }
    for (dim, target) in zip(mask.reversed(), full.reversed()).dropFirst()
    where dim.value != 1 && !dim.agrees(with: target) {
      throw DataError("the mask extent \(dim) does not broadcast to \(target)")
    }
    if let last = mask.last?.value, let total = extents.total.value, last > total {
      throw DataError("the mask is for \(last) keys, there are \(total)")
    }
  }

  private func join(_ a: inout Dim, _ b: Dim, _ what: String) throws {
    guard a.agrees(with: b) else { throw DataError("\(what) \(a) and \(b) differ") }
    if a.value == nil, b != .unknown { a = b }
  }

  /// Types of the four outputs of ONNX's operator.
  func infer(_ inputs: InferenceInputs) throws -> [TensorType] {
    let extents = try extents(inputs.types)
    let (key, value) = (try inputs.dtype(0), try inputs.dtype(2))
    return [
      TensorType(key, extents.isPacked == nil ? nil : extents.result),
      TensorType(key, extents.present(extents.headSize)),
      TensorType(value, extents.present(extents.valueSize)), TensorType(key, extents.scores),
    ]
  }

  /// Multiply-adds of both products.
  func multiplyAdds(_ inputs: [TensorType?]) -> Int {
    guard let extents = try? extents(inputs), let size = extents.headSize.value,
      let valueSize = extents.valueSize.value
    else { return 0 }
    let widths = min(size, 1 << 40) + min(valueSize, 1 << 40)
    return Cost.product(TensorType(.float32, extents.scores), .known(widths))
  }
}

/// The extents of an attention; nil `isPacked` while the rank of the inputs is not known.
struct AttentionExtents {
  var isPacked: Bool?
  var batch = Dim.unknown
  var queryHeads = Dim.unknown
  var keyHeads = Dim.unknown
  var queries = Dim.unknown
  /// New keys, those of input `K`.
  var keys = Dim.unknown
  var past = Dim.known(0)
  var hasPast = false
  var headSize = Dim.unknown
  var valueSize = Dim.unknown

  /// Past and new keys.
  var total: Dim { past.value == 0 ? keys : past + keys }
  var scores: [Dim] { [batch, queryHeads, queries, total] }
  var result: [Dim] {
    isPacked == true
      ? [batch, queries, queryHeads * valueSize] : [batch, queryHeads, queries, valueSize]
  }
  func present(_ size: Dim) -> [Dim] { [batch, keyHeads, total, size] }
}
