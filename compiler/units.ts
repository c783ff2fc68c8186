/**
 * Numbers for people. Four digits that count, never in powers of ten; a unit is chosen after rounding, so that
 * nothing reads `1000 kB`.
 */

/** Bytes in decimal units: `1.234 GB`. */
export function formatBytes(bytes: number): string {
  return withPrefix(bytes, ["B", "kB", "MB", "GB", "TB", "PB", "EB"]);
}

/** A whole number with its thousands apart: `1,234,567`. */
export function formatCount(count: number): string {
  const [whole = "", ...fraction] = digits(count).split(".");
  return [whole.replace(/\B(?=(\d{3})+$)/g, ","), ...fraction].join(".");
}

/** A count with its noun: `1 step`, `4 steps`. */
export function formatQuantity(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** Operations with their decimal prefix: `59.60 TOP`; `-` for none. */
export function formatOperations(count: number): string {
  return count === 0 ? "-" : withPrefix(count, ["OP", "kOP", "MOP", "GOP", "TOP", "POP", "EOP"]);
}

/** A duration: `850 µs`, `12.3 ms`, `2.58 s`, `7 min 30 s`, `2 h 5 min`. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "-";
  if (seconds < 0) return `-${formatDuration(-seconds)}`;
  if (Math.round(seconds) >= 3600) {
    const minutes = Math.round(seconds / 60);
    return `${formatCount(Math.floor(minutes / 60))} h ${minutes % 60} min`;
  }
  if (Math.round(seconds) >= 60) {
    const whole = Math.round(seconds);
    return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  }
  if (seconds === 0) return "0 s";
  if (seconds >= 0.9995) return `${significant(seconds, 3)} s`;
  if (seconds >= 0.9995e-3) return `${significant(seconds * 1e3, 3)} ms`;
  const micros = seconds * 1e6;
  return micros < 0.1 ? "under 0.1 µs" : `${significant(micros, 3)} µs`;
}

/** How many times one number is another: `9.44x`; `-` where that says nothing. */
export function formatFactor(of: number, by: number): string {
  const factor = of / by;
  return Number.isFinite(factor) && factor > 0 ? `${significant(factor, 3)}x` : "-";
}

/** A share of a whole: `12.34%`; of nothing `0%`. */
export function formatShare(part: number, whole: number): string {
  if (whole === 0 || part === 0) return "0%";
  const percent = (100 * part) / whole;
  return percent < 0.01 ? "under 0.01%" : `${percent.toFixed(2)}%`;
}

/** How far two results are apart, relative to their size: `3.0e-7`; `nothing` for equal ones. */
export function formatDifference(relative: number): string {
  return relative === 0 ? "nothing" : relative.toExponential(1);
}

function withPrefix(amount: number, units: readonly string[]): string {
  if (!Number.isFinite(amount)) return "-";
  if (amount < 0) return `-${withPrefix(-amount, units)}`;
  let power = 0;
  let value = amount;
  // 999.95 shows as 1000 with four digits.
  while ((power === 0 ? value >= 1000 : value >= 999.95) && power < units.length - 1) {
    value /= 1000;
    power++;
  }
  return `${power === 0 ? digits(value) : significant(value, 4)} ${units[power]}`;
}

/** A number in at most so many digits, all of its whole part, without an exponent. */
function significant(value: number, count: number): string {
  const rounded = Number(value.toPrecision(count));
  if (rounded >= 10 ** (count - 1)) return formatCount(Math.round(value));
  return rounded.toFixed(count - 1 - Math.floor(Math.log10(rounded)));
}

/** A number as it is, without an exponent; fractions cut to two digits. */
function digits(value: number): string {
  if (Number.isInteger(value)) return BigInt(value).toString();
  return String(Number(value.toFixed(2)));
}
