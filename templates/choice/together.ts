import { launchOf, needsOf, type Tile } from "../../ir/families/launch/form.js";
import type { KernelConfig } from "../../ir/program/program.js";
import { hasFeature } from "../../targets/device-kind.js";
import type { Speed } from "../../targets/speed.js";
import type { KernelTemplates } from "../kernel-templates.js";
import { bestOf, type Choice, candidatesOf, choose, chooseMeasured } from "./choose.js";
import { keyOf } from "./configs.js";
import { type Candidate, costOf, inTile, type KnownCosts, rejection } from "./consider.js";
import type { Problem } from "./problem.js";
import { sharedTile } from "./shared-tile.js";

/** What is known besides of the kernels of a launch for several kinds of devices. */
export interface Circumstances {
  /** By problem, the config that was found best by measuring. */
  readonly measured: readonly (KernelConfig | undefined)[];
  /** Whether all kernels have one grid, and so one tile. */
  readonly oneGrid: boolean;
}

/**
 * A config for each kind of devices, the most demanding kind first. Throws `TRITC_E_KERNEL` where one takes none.
 *
 * A device takes the first kernel of a chain that it runs, so kinds that run each other's kernels get the same.
 */
export function chooseTogether<P>(
  problems: readonly Problem<P>[],
  templates: KernelTemplates<P>,
  { measured, oneGrid }: Circumstances,
): readonly Choice<P>[] {
  const isMeasured = measured.some((config) => config !== undefined);
  const made = new Map<number, readonly Candidate[]>();
  // Kinds that differ in features alone are equally fast; what CUDA devices cost depends on more than speed.
  const costs = new Map<Speed | null, KnownCosts>();
  const costsOn = ({ speed, cuda }: Problem<P>["device"]): KnownCosts | undefined => {
    if (cuda !== null) return undefined;
    const known = costs.get(speed) ?? new Map();
    costs.set(speed, known);
    return known;
  };
  const candidates = (i: number, problem: Problem<P>): readonly Candidate[] => {
    // Other configs than the preferred ones count where somebody asks for what those may not have.
    const all =
      made.get(i) ??
      candidatesOf(
        problem,
        templates,
        oneGrid ? isMeasured : measured[i] !== undefined,
        costsOn(problem.device),
      );
    made.set(i, all);
    return all;
  };
  const known = problems.map((problem, i) => {
    const config = measured[i];
    return config && chooseMeasured(problem, templates, config);
  });
  const tile = oneGrid ? tileOf(problems, templates, candidates, known) : undefined;
  const choices = problems.map((problem, i) => {
    const own = known[i];
    if (own !== undefined && isOfTile(own, templates, tile)) return own;
    return choose(problem, ofTile(problem, templates, candidates(i, problem), tile), measured[i]);
  });
  return separated(choices, templates, measured);
}

function tileOf<P>(
  problems: readonly Problem<P>[],
  templates: KernelTemplates<P>,
  candidates: (i: number, problem: Problem<P>) => readonly Candidate[],
  known: readonly (Choice<P> | undefined)[],
): Tile | undefined {
  const tileFor = ({ params }: Problem<P>, config: KernelConfig) =>
    launchOf(templates.forms, params, config).tile;
  for (const own of known) {
    if (own === undefined) continue;
    const tile = tileFor(own.problem, own.config);
    const isOfIt = (problem: Problem<P>, config: KernelConfig) =>
      String(tileFor(problem, config)) === String(tile);
    // What was measured for one kind is of no use where another has no kernel of its tile.
    const isTaken = (problem: Problem<P>, i: number) => {
      const other = known[i];
      if (other !== undefined && isOfIt(problem, other.config)) return true;
      return candidates(i, problem).some(
        ({ config, rejected }) => rejected === null && isOfIt(problem, config),
      );
    };
    if (problems.every(isTaken)) return tile;
  }
  const all = problems.map((problem, i) => candidates(i, problem));
  return sharedTile(problems, templates, all);
}

function isOfTile<P>(
  { problem: { params }, config }: Choice<P>,
  { forms }: KernelTemplates<P>,
  tile: Tile | undefined,
): boolean {
  return tile === undefined || String(launchOf(forms, params, config).tile) === String(tile);
}

/** Candidates with others than of the tile rejected; as they are, where the best of all is of it. */
function ofTile<P>(
  { params, device }: Problem<P>,
  { forms }: KernelTemplates<P>,
  candidates: readonly Candidate[],
  tile: Tile | undefined,
): readonly Candidate[] {
  if (tile === undefined) return candidates;
  const own = bestOf(candidates, device.speed?.doubt);
  const isOwn = own?.cost != null && String(launchOf(forms, params, own.config).tile) === String(tile);
  return isOwn ? candidates : candidates.map((candidate) => inTile(candidate, forms, params, tile));
}

interface Group<P> {
  readonly members: readonly Choice<P>[];
  readonly config: KernelConfig;
}

/** Choices such that no two kinds of devices have different kernels that both run. */
function separated<P>(
  choices: readonly Choice<P>[],
  templates: KernelTemplates<P>,
  measured: readonly (KernelConfig | undefined)[],
): readonly Choice<P>[] {
  const runs = ({ problem: { device } }: Choice<P>, config: KernelConfig) =>
    needsOf(templates.forms, config).every((feature) => hasFeature(device, feature));
  const groups: Group<P>[] = [];
  // What was measured stays.
  const isMeasured = (choice: Choice<P>) => measured[choices.indexOf(choice)] !== undefined;
  for (const choice of [...choices].sort((a, b) => Number(isMeasured(b)) - Number(isMeasured(a)))) {
    const at = groups.findIndex(
      ({ members, config }) => runs(choice, config) && members.some((member) => runs(member, choice.config)),
    );
    const group = groups[at];
    if (group === undefined) groups.push({ members: [choice], config: choice.config });
    else {
      const members = [...group.members, choice];
      const [first] = group.members;
      const isKept =
        keyOf(group.config) === keyOf(choice.config) ||
        (first !== undefined &&
          isMeasured(first) &&
          rejection(choice.problem, templates, group.config) === null);
      groups[at] = {
        members,
        config: isKept ? group.config : commonOf(members, group.config, templates),
      };
    }
  }
  return choices.map((choice) => {
    const group = groups.find(({ members }) => members.includes(choice));
    if (group === undefined || keyOf(group.config) === keyOf(choice.config)) return choice;
    const others = group.members.filter((member) => member !== choice);
    return {
      ...choice,
      config: group.config,
      reason: `the same as for ${others.map(({ problem }) => problem.device.name).join(", ")}, which runs it too`,
    };
  });
}

/** The config that costs several kinds of devices least in all; `first` where it is not known and they take that. */
function commonOf<P>(
  members: readonly Choice<P>[],
  first: KernelConfig,
  templates: KernelTemplates<P>,
): KernelConfig {
  const all = [first, ...members.flatMap(({ candidates }) => candidates.map(({ config }) => config))];
  const fitting = all.filter((config) =>
    members.every(({ problem }) => rejection(problem, templates, config) === null),
  );
  const seconds = (config: KernelConfig) => {
    const costs = members.map(({ problem }) => costOf(problem, templates, config)?.seconds);
    return costs.reduce<number>((sum, cost) => sum + (cost ?? Number.NaN), 0);
  };
  const [taken = first, ...others] = fitting;
  let [best, least] = [taken, seconds(taken)];
  for (const config of others) {
    const own = seconds(config);
    if (own < least) [best, least] = [config, own];
  }
  return best;
}
