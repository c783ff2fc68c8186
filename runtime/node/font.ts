/** A 3x5 bitmap font: each glyph is five octal digits, one a row, the highest bit leftmost. */

export const FONT_WIDTH = 3;
export const FONT_HEIGHT = 5;

const GLYPHS: Readonly<Record<string, string>> = {
  " ": "00000",
  "0": "75557",
  "1": "26227",
  "2": "71747",
  "3": "71717",
  "4": "55711",
  "5": "74717",
  "6": "74757",
  "7": "71122",
  "8": "75757",
  "9": "75717",
  A: "25755",
  B: "65656",
  C: "34443",
  D: "65556",
  E: "74647",
  F: "74644",
  G: "34553",
  H: "55755",
  I: "72227",
  J: "11152",
  K: "55655",
  L: "44447",
  M: "57755",
  N: "65555",
  O: "25552",
  P: "65644",
  Q: "25563",
  R: "65655",
  S: "34216",
  T: "72222",
  U: "55557",
  V: "55552",
  W: "55775",
  X: "55255",
  Y: "55222",
  Z: "71247",
  ".": "00002",
  ",": "00024",
  ":": "02020",
  "-": "00700",
  "+": "02720",
  "/": "11244",
  "=": "07070",
  "(": "12221",
  ")": "42224",
  "%": "51245",
  "'": "22000",
  "!": "22202",
  "?": "61202",
  _: "00007",
};

/** The rows of a character, as bits; small letters as capitals, unknown ones as a question mark. */
export function glyphRows(character: string): readonly number[] {
  const glyph = GLYPHS[character.toUpperCase()] ?? GLYPHS["?"] ?? "";
  return Array.from(glyph, (digit) => Number.parseInt(digit, 8));
}
