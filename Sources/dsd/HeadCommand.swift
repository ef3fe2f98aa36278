import CommandLineSupport

struct HeadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "head",
    abstract: "List the heads that have a name, or write one as a graph file.",
    discussion: "A head turns what a model says about a pair into its score; --head takes a name or a file.")

  @Argument(help: "The head's name; without it all are listed.")
  var name: String?

  @Option(
    name: .shortAndLong, help: ArgumentHelp("The graph file (default: NAME.pb).", valueName: "file"))
  var output: String?

  func run() throws {
    guard let name else {
      var table = TextTable(["head", ""])
      for head in Head.known { table.rows.append([head.name, head.summary]) }
      print(table.text)
      return
    }
    let head = try Head(named: name)
    try GraphWriter.write(head.graph, to: output ?? "\(name).pb")
  }
}
