import { join } from "node:path/posix";
import { renderTemplate } from "../../templates/render.js";
import type { Step } from "./chain.js";
import { type EmittedFile, maker, type Resources, SUBMIT } from "./emitted.js";
import { quoted, shellStep } from "./shell.js";

export interface SlurmOptions extends Resources {
  /** The absolute path of the scripts' folder, which every node sees. */
  readonly folder: string;
  /** As Slurm writes durations. */
  readonly time: string;
  readonly partition?: string | undefined;
  /** How a node runs tritc. */
  readonly tritc: readonly string[];
}

const SETUP = "setup.sh";

/** A script for each step, what they share, and one that submits them. */
export function slurmFiles(steps: readonly Step[], options: SlurmOptions): readonly EmittedFile[] {
  const { folder, name, cpus, time, partition = "" } = options;
  const made = { maker: maker("slurm") };
  const jobs = steps.map((step, i): EmittedFile => {
    const text = renderTemplate("cluster/slurm-job.sh.hbs", {
      ...made,
      ...{ cpus, time, partition },
      name: `${name}-${step.name}`,
      shards: step.shards ?? 0,
      megabytes: Math.ceil(options.memoryBytes / 2 ** 20),
      setup: quoted(join(folder, SETUP)),
      once: step.once,
      ...shellStep(step, { tritc: `"\${tritc[@]}"`, shard: `"$SLURM_ARRAY_TASK_ID"` }),
    });
    return { name: `${i + 1}-${step.name}.sh`, text };
  });
  const command = options.tritc.map(quoted).join(" ");
  const files = jobs.map((job) => job.name);
  return [
    {
      name: SETUP,
      text: renderTemplate("cluster/slurm-setup.sh.hbs", { ...made, command }),
      isTheirs: true,
    },
    ...jobs,
    {
      name: SUBMIT,
      text: renderTemplate("cluster/slurm-submit.sh.hbs", { ...made, folder: quoted(folder), files }),
      isProgram: true,
    },
  ];
}
