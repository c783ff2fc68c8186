/** ‖a − b‖ / ‖b‖; 0 where they are equal. */
export function relativeDistance(a: Float32Array, b: Float32Array): number {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    const wanted = b[i] ?? Number.NaN;
    difference += ((a[i] ?? Number.NaN) - wanted) ** 2;
    norm += wanted ** 2;
  }
  return difference === 0 ? 0 : Math.sqrt(difference / norm);
}
