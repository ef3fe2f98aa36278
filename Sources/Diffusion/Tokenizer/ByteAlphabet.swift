/// How GPT-2 and CLIP vocabularies write bytes: one visible character for each.
enum ByteAlphabet {
  /// What a token at the end of a word has at its end.
  static let endOfWord = "</w>"

  /// The character of every byte: itself when it is visible Latin-1, else the next one from U+0100 on.
  static let characters: [Unicode.Scalar] = {
    var spare: UInt32 = 0x100
    return (0...255).map { (byte: UInt32) in
      switch byte {
      case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: return Unicode.Scalar(byte)!
      default:
        defer { spare += 1 }
        return Unicode.Scalar(spare)!
      }
    }
  }()
}
