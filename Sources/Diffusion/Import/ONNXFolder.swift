import GraphIR
struct ONNXFolder {
  init(_ folder: String) throws {}
  func graph() throws -> Graph { throw DataError("todo") }
}
