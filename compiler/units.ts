/** Bytes in decimal units, four digits: `1.234 GB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3));
  return `${power === 0 ? bytes : (bytes / 1000 ** power).toPrecision(4)} ${units[power]}`;
}

/** A whole number with its thousands apart: `1,234,567`. */
export function formatCount(count: number): string {
  return count.toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Operations with their decimal prefix: `59.60 TOP`. */
export function formatOperations(count: number): string {
  if (count === 0) return "-";
  const units = ["OP", "kOP", "MOP", "GOP", "TOP", "POP"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  return `${power === 0 ? count : (count / 1000 ** power).toPrecision(4)} ${units[power]}`;
}
