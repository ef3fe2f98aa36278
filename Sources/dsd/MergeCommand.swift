import CommandLineSupport
import Foundation

struct MergeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Put results files together, such as those of the shards of a run.",
    discussion: """
      What several machines have computed becomes one file, which tells the table without the model:
        dsd merge part-1.sqlite part-2.sqlite part-3.sqlite -o results.sqlite
        dsd eval graph.pb --items items.jsonl --results results.sqlite
      A file that is there already is added to. Terms that several files have are taken from the first.
      """)

  @Argument(help: "Files that `dsd eval --results` has written.")
  var files: [String]

  @Option(name: [.short, .long], help: ArgumentHelp("The file to add to, or to make.", valueName: "file"))
  var output: String

  func run() throws {
    // A pattern such as FILE.rank-* finds these too; they belong to the file of their name.
    let files = files.filter { !$0.hasSuffix("-wal") && !$0.hasSuffix("-shm") }
    // All of them, before anything is written.
    for file in files { _ = try ResultsFile(path: file, isReadOnly: true) }
    let results = try ResultsFile(path: output)
    for file in files {
      let merge = try results.merge(file)
      print("\(file): \(merge.added) terms added")
      if merge.different > 0 {
        Terminal.note(
          "note: \(file): \(merge.different) terms are there already with other values; those of \(output) stay"
        )
      }
    }
  }
}
