/** File systems take 255 bytes, of which the number of a picture, and the name while it is written, want some. */
const MOST_BYTES = 200;

/**
 * A prompt as the beginning of a file name, on any system: what separates folders, means something else there, or is
 * no character to see becomes a space, as does "_", at which scorers cut the number off.
 */
export function promptFileName(prompt: string): string {
  const words = prompt
    .replace(/[\p{Cc}<>:"/\\|?*_]/gu, " ")
    .replace(/\s+/g, " ")
    // A hidden file's.
    .replace(/^[. ]+/, "")
    // Windows' devices, whatever comes after the dot.
    .replace(/^(con|prn|aux|nul|(?:com|lpt)[\d¹²³]) *\. */i, "$1 ");
  return cutToBytes(words, MOST_BYTES).trim() || "prompt";
}

/** The first characters, in whole, of at most so many bytes. */
function cutToBytes(text: string, most: number): string {
  const bytes = Buffer.from(text);
  let end = Math.min(most, bytes.length);
  // Bytes 10xxxxxx go on with a character.
  while (end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}
