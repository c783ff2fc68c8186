import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, beforeEach, expect } from "vitest";
import { cli } from "../support/cli.js";
import { writeFakeSchedulers } from "../support/fake-schedulers.js";

/** What shells, sbatch, Kubernetes and options take for something else. */
export const HOSTILE = `-q 'q' "d" $HOME $(PATH) \`id\` $$ \\ %j * ~ ; & | # !\n#SBATCH --hold\nend`;

/** For a machine that is busy. */
export const PATIENT = { timeout: 240_000 };

export interface Emitted {
  readonly out: string;
  readonly files: readonly string[];
  readonly steps: readonly { readonly name: string; readonly tasks: number }[];
}

/** What a recorder in the place of tritc was called with, and the index of a pod or the task of an array that it was in. */
export interface Call {
  readonly argv: readonly string[];
  readonly index: string;
  readonly task: string;
}

/**
 * `distill --emit` in a folder of hostile names, and stand-ins for the schedulers and for tritc, anew for each test. Call it at
 * the top of a test file.
 */
export function emittedJobs() {
  const root = mkdtempSync(join(tmpdir(), "tritc-emit-"));
  const at = (...names: string[]) => join(root, ...names);
  const model = at(`${HOSTILE}.model`);
  const prompts = at(`-${HOSTILE}.txt`);
  const now = { bin: "", calibration: "" };

  beforeAll(() => {
    mkdirSync(model);
    writeFileSync(prompts, "a photo of a red circle\n");
    // Says what it was called with, and makes what was asked for. Fails where a test says so, once.
    writeFileSync(
      at("tritc"),
      `#!/bin/bash
    here=\${0%/*}
    printf '%s\\0' "\${JOB_COMPLETION_INDEX-}" "\${SLURM_ARRAY_TASK_ID-}" "$@" $'\\1' >> "$here/calls"
    if [ -e "$here/fail-$1" ]; then
      code=$(cat "$here/fail-$1")
      rm "$here/fail-$1"
      exit $code
    fi
    mkdir -p -- "\${@: -1}"\n`,
      { mode: 0o755 },
    );
  });
  beforeEach(() => {
    now.bin = writeFakeSchedulers(mkdtempSync(at("bin-")));
    now.calibration = join(now.bin, HOSTILE);
    copyFileSync(at("tritc"), join(now.bin, "tritc"));
    writeFileSync(join(now.bin, "calls"), "");
  });
  afterAll(() => rmSync(root, { recursive: true }));

  async function emit(name: string, ...argv: readonly string[]): Promise<Emitted> {
    const calibrated = [model, "--calibration", now.calibration];
    const { code, stdout } = await cli(["distill", ...calibrated, "-o", at(name), ...argv, "--json"]);
    expect(code, stdout).toBe(0);
    return JSON.parse(stdout) as Emitted;
  }

  /** With the recorder in the place of tritc. */
  function submit({ out }: Emitted, env: Readonly<Record<string, string>> = {}) {
    if (readdirSync(out).includes("setup.sh")) writeFileSync(join(out, "setup.sh"), "tritc=(tritc)\n");
    const path = `${now.bin}${delimiter}${process.env.PATH}`;
    return execa("bash", [join(out, "submit.sh")], {
      env: { PATH: path, TRITC_POLL_SECONDS: "0", NODE_OPTIONS: "", ...env },
      cwd: "/",
      reject: false,
    });
  }

  function calls(): readonly Call[] {
    const lines = readFileSync(join(now.bin, "calls"), "utf8").split("\0\x01\0").slice(0, -1);
    return lines.map((line) => {
      const [index = "", task = "", ...argv] = line.split("\0");
      return { argv, index, task };
    });
  }

  /** Words of a negative prompt that a shell would take for something else. */
  const negative = `it's $(touch stolen) "blurred" -n\n#SBATCH --uid=0`;
  const drawn = [
    ...["--resolution", "64x32", "--guidance", "4.5", "--negative-prompt", negative, "--vary-guidance"],
  ];
  const trained = [
    ...["--start", "calibrated", "--group", "64", "--steps", "11", "--batch", "5", "--seed", "4"],
    ...["--interval", "60"],
  ];
  /** Of a chain of four jobs. */
  const options = [
    ...["--prompts", prompts, "--samples", "7", "--sampling-steps", "3", "--sampling-batch", "2"],
    ...[...drawn, ...trained],
    ...["--shards", "2", "--cpus", "3", "--memory", "2GB", "--target", "cpu"],
  ];

  /** The commands of that chain, in order, where jobs write to `work`. */
  function expected(work: string): readonly (readonly string[])[] {
    const { calibration } = now;
    const shard = (i: number) => join(work, "calibration-shards", `${i}`);
    const draw = (i: number) => [
      ...["calibrate", model, "--prompts", prompts, "--samples", "7", "--steps", "3", "--batch", "2"],
      ...[...drawn, "--moments", "--threads", "3", "--shard", "auto/2", "-o", shard(i)],
    ];
    return [
      draw(1),
      draw(2),
      ["calibrate", "--merge", shard(1), shard(2), "-o", calibration],
      [
        ...["distill", model, "--stage", "end-to-end", "--calibration", calibration],
        ...[...trained, "--threads", "3", "-o", join(work, "model")],
      ],
      ["compile", join(work, "model"), "--target", "cpu", "--pipeline", model, "-o", join(work, "bundle")],
    ];
  }

  return { root, at, model, prompts, now, options, expected, emit, submit, calls };
}
