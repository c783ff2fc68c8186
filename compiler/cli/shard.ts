import { InvalidArgumentError } from "commander";
import type { Shard } from "../shard.js";
import { usageError } from "./usage-error.js";

/** The variables of an environment: a process's own, or a test's. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** How many indexes a Kubernetes Job has, which Kubernetes itself does not say: what makes the Job sets it. */
export const SHARD_COUNT = "TRITC_SHARD_COUNT";

const ARRAY = "SLURM_ARRAY_TASK";
const SLURM = `${ARRAY}_ID`;
const KUBERNETES = "JOB_COMPLETION_INDEX";

/** Parses `2/8`; `auto` is what the scheduler says, `auto/8` the same where it has to be of eight. */
export function shard(text: string, environment: Environment = process.env): Shard {
  const [, automatic, expected] = /^(auto)(?:\/([1-9]\d{0,8}))?$/.exec(text) ?? [];
  if (automatic !== undefined)
    return scheduledShard(environment, expected === undefined ? undefined : Number(expected));
  const [, index, count] = /^([1-9]\d{0,8})\/([1-9]\d{0,8})$/.exec(text)?.map(Number) ?? [];
  if (index === undefined || count === undefined || index > count)
    throw new InvalidArgumentError("Expected <i>/<n> with i from 1 to n, such as 2/8, or auto.");
  return { index, count };
}

function scheduledShard(environment: Environment, asked: number | undefined): Shard {
  const inSlurm = environment[SLURM] !== undefined;
  const inKubernetes = environment[KUBERNETES] !== undefined;
  if (inSlurm && inKubernetes) {
    throw refused({
      place: KUBERNETES,
      expected: `nothing beside ${SLURM}`,
      found: `${KUBERNETES}=${environment[KUBERNETES]}, ${SLURM}=${environment[SLURM]}`,
      remedy: "unset the variable of the scheduler that does not run this",
    });
  }
  if (!inSlurm && !inKubernetes) {
    throw refused({
      place: "--shard",
      expected: `${SLURM} (a Slurm array) or ${KUBERNETES} (an indexed Job of Kubernetes)`,
      found: "neither in the environment",
      remedy: "submit it as an array (sbatch --array=1-8), or say which: --shard 2/8",
    });
  }
  const given = environment[SHARD_COUNT] === undefined ? undefined : read(environment, SHARD_COUNT, 1);
  if (asked !== undefined && given !== undefined && asked !== given) throw another(SHARD_COUNT, asked, given);
  const count = asked ?? given;
  return inSlurm ? slurmShard(environment, count) : kubernetesShard(environment, count);
}

/** Tasks of an array are MIN, MIN + STEP, …, MAX: COUNT of them. */
function slurmShard(environment: Environment, expected: number | undefined): Shard {
  const optional = (name: string, otherwise: number, least: number) =>
    environment[name] === undefined ? otherwise : read(environment, name, least);
  const count = read(environment, `${ARRAY}_COUNT`, 1);
  // A part of an array that is submitted again numbers its tasks as if there were no others.
  if (expected !== undefined && expected !== count) throw another(`${ARRAY}_COUNT`, expected, count);
  const id = read(environment, SLURM, 0);
  const first = read(environment, `${ARRAY}_MIN`, 0);
  const step = optional(`${ARRAY}_STEP`, 1, 1);
  const last = first + step * (count - 1);
  const tasks = `${count} tasks from ${first}${step === 1 ? "" : ` in steps of ${step}`} to ${last}`;
  const remedy = "let --array be a range, such as 1-8";
  const most = optional(`${ARRAY}_MAX`, last, 0);
  if (most !== last)
    throw refused({ place: `${ARRAY}_MAX`, expected: `${last}: ${tasks}`, found: String(most), remedy });
  const index = (id - first) / step;
  if (Number.isInteger(index) && index >= 0 && index < count) return { index: index + 1, count };
  throw refused({ place: SLURM, expected: `one of ${tasks}`, found: String(id), remedy });
}

function kubernetesShard(environment: Environment, count: number | undefined): Shard {
  if (count === undefined) {
    throw refused({
      place: SHARD_COUNT,
      expected: "the Job's completions",
      found: "nothing",
      remedy: "set it in the Job, or say it: --shard auto/8",
    });
  }
  const index = read(environment, KUBERNETES, 0);
  if (index < count) return { index: index + 1, count };
  throw refused({
    place: KUBERNETES,
    expected: `0 to ${count - 1}`,
    found: String(index),
    remedy: "let the Job have as many completions as there are shards",
  });
}

function read(environment: Environment, name: string, least: number): number {
  const text = environment[name];
  if (text !== undefined && /^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  throw refused({
    place: name,
    expected: `a whole number from ${least} on`,
    found: text === undefined ? "nothing" : `'${text}'`,
    remedy: "leave the scheduler's variables as it sets them, or say which shard it is: --shard 2/8",
  });
}

function another(place: string, expected: number, found: number) {
  return refused({
    place,
    expected: String(expected),
    found: String(found),
    remedy: "submit all shards together, as many as --shard says",
  });
}

function refused(details: Omit<Parameters<typeof usageError>[0], "message">) {
  return usageError({ message: "the scheduler's environment does not say which shard this is", ...details });
}
