/** Rows of `left`, each followed by its row of `right`. */
export function joinRows(left: Float32Array, right: Float32Array, rows: number): Float32Array {
  const [a, b] = [left.length / rows, right.length / rows];
  const joined = new Float32Array(left.length + right.length);
  for (let row = 0; row < rows; row++) {
    joined.set(left.subarray(row * a, (row + 1) * a), row * (a + b));
    joined.set(right.subarray(row * b, (row + 1) * b), row * (a + b) + a);
  }
  return joined;
}
