import type { Step } from "./chain.js";

/** A word that a POSIX shell takes as it is, whatever is in it. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** What a step's shell has to know: where this task writes, and the command. */
export interface ShellStep {
  readonly out: string;
  readonly command: string;
}

/** A step in shell. `tritc` is the command as a shell has it, `shard` the number of this task. */
export function shellStep(step: Step, { tritc, shard }: { tritc: string; shard: string }): ShellStep {
  const lines = step.words.map((words) => words.map(quoted).join(" "));
  return {
    out: `${quoted(step.out)}${step.shards === undefined ? "" : `/${shard}`}`,
    command: [`${tritc} ${lines[0]}`, ...lines.slice(1), `-o "$out"`].join(" \\\n  "),
  };
}
