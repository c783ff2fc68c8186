import type { KernelConfig } from "../../../ir/program/program.js";

/** Pairs of a config's numbers, each with its variant. */
function pairsOf(config: KernelConfig, together: 1 | 2): readonly string[] {
  const { variant } = config;
  const members = Object.entries(config)
    .filter(([name]) => name !== "variant")
    .map(([name, value]) => `${name}=${value}`);
  if (together === 1 || members.length < 2) return members.map((member) => `${variant} ${member}`);
  return members.flatMap((a, i) => members.slice(i + 1).map((b) => `${variant} ${a} ${b}`));
}

/**
 * Few configs in which each value of each dimension occurs (`together` 1), or each pair of values of two dimensions that any
 * config has (2). Greedy: each next one adds most of what is left.
 */
export function coveringOf(configs: readonly KernelConfig[], together: 1 | 2): readonly KernelConfig[] {
  const own = new Map(configs.map((config) => [config, pairsOf(config, together)]));
  const left = new Set([...own.values()].flat());
  const chosen: KernelConfig[] = configs.length === 0 || left.size > 0 ? [] : configs.slice(0, 1);
  while (left.size > 0) {
    let best: KernelConfig | undefined;
    let most = 0;
    for (const [config, pairs] of own) {
      const gain = pairs.reduce((sum, pair) => sum + (left.has(pair) ? 1 : 0), 0);
      if (gain > most) [best, most] = [config, gain];
    }
    if (best === undefined) break;
    chosen.push(best);
    for (const pair of own.get(best) ?? []) left.delete(pair);
  }
  return chosen;
}
