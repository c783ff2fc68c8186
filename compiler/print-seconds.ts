/** Seconds of a kernel or a step for people, in three digits. */
export function printSeconds(seconds: number): string {
  const [value, unit] =
    seconds < 1e-3 ? [seconds * 1e6, "µs"] : seconds < 1 ? [seconds * 1e3, "ms"] : [seconds, "s"];
  return `${value.toPrecision(3)} ${unit}`;
}
