/** `--shard`: given, or as a scheduler's environment says. */
import { InvalidArgumentError } from "commander";
import { describe, expect, it } from "vitest";
import { type Environment, shard } from "../../compiler/cli/shard.js";
import type { TritcError } from "../../ir/errors.js";
import { cli } from "../support/cli.js";

/** What Slurm sets for a task of an array. */
const slurm = (id: number, from: number, to: number, step = 1): Environment => ({
  SLURM_JOB_ID: "1234",
  SLURM_ARRAY_JOB_ID: "1230",
  SLURM_ARRAY_TASK_ID: String(id),
  SLURM_ARRAY_TASK_MIN: String(from),
  SLURM_ARRAY_TASK_MAX: String(to),
  SLURM_ARRAY_TASK_STEP: String(step),
  SLURM_ARRAY_TASK_COUNT: String((to - from) / step + 1),
});
const indexed = (index: string, count?: string): Environment => ({
  JOB_COMPLETION_INDEX: index,
  TRITC_SHARD_COUNT: count,
});

describe("a shard", () => {
  it.each<[string, string, Environment, number, number]>([
    ["given", "2/8", slurm(3, 1, 4), 2, 8],
    ["of --array=0-3", "auto", slurm(0, 0, 3), 1, 4],
    ["the last of --array=0-3", "auto", slurm(3, 0, 3), 4, 4],
    ["of --array=1-8", "auto/8", slurm(8, 1, 8), 8, 8],
    ["of --array=5-7", "auto", slurm(6, 5, 7), 2, 3],
    ["of --array=10-40:10", "auto", slurm(30, 10, 40, 10), 3, 4],
    ["of one task", "auto", slurm(7, 7, 7), 1, 1],
    ["of a Slurm that says no more", "auto", { ...slurm(2, 1, 4), SLURM_ARRAY_TASK_STEP: undefined }, 2, 4],
    ["of an indexed Job", "auto", indexed("0", "3"), 1, 3],
    ["the last of an indexed Job", "auto/3", indexed("2"), 3, 3],
    ["said twice", "auto/3", indexed("1", "3"), 2, 3],
  ])("%s", (_, text, environment, index, count) => {
    expect(shard(text, environment)).toEqual({ index, count });
  });

  it.each<[string, string, Environment, string, string, string]>([
    ["nothing of a scheduler", "auto", {}, "--shard", "SLURM_ARRAY_TASK_ID (a Slurm", "neither"],
    ["a job that is no array", "auto", { SLURM_JOB_ID: "7" }, "--shard", "SLURM_ARRAY_TASK_ID", "neither"],
    [
      "two schedulers",
      "auto",
      { ...slurm(1, 1, 2), ...indexed("0", "2") },
      "JOB_COMPLETION_INDEX",
      "nothing beside",
      "SLURM_ARRAY_TASK_ID=1",
    ],
    [
      "no number",
      "auto",
      { ...slurm(1, 1, 2), SLURM_ARRAY_TASK_ID: "1_2" },
      "SLURM_ARRAY_TASK_ID",
      "a whole number",
      "'1_2'",
    ],
    ["an empty one", "auto", indexed("", "2"), "JOB_COMPLETION_INDEX", "a whole number from 0 on", "''"],
    [
      "no count",
      "auto",
      { ...slurm(1, 1, 2), SLURM_ARRAY_TASK_COUNT: undefined },
      "SLURM_ARRAY_TASK_COUNT",
      "from 1 on",
      "nothing",
    ],
    ["a count of none", "auto", indexed("0", "0"), "TRITC_SHARD_COUNT", "from 1 on", "'0'"],
    [
      "no first",
      "auto",
      { ...slurm(1, 1, 2), SLURM_ARRAY_TASK_MIN: undefined },
      "SLURM_ARRAY_TASK_MIN",
      "from 0 on",
      "nothing",
    ],
    [
      "a step of none",
      "auto",
      { ...slurm(1, 1, 2), SLURM_ARRAY_TASK_STEP: "0" },
      "SLURM_ARRAY_TASK_STEP",
      "from 1 on",
      "'0'",
    ],
    [
      "a list with gaps",
      "auto",
      { ...slurm(1, 1, 7), SLURM_ARRAY_TASK_COUNT: "3" },
      "SLURM_ARRAY_TASK_MAX",
      "3: 3 tasks from 1 to 3",
      "7",
    ],
    [
      "a task outside the array",
      "auto",
      slurm(5, 1, 4),
      "SLURM_ARRAY_TASK_ID",
      "one of 4 tasks from 1 to 4",
      "5",
    ],
    [
      "a task between two",
      "auto",
      slurm(15, 10, 40, 10),
      "SLURM_ARRAY_TASK_ID",
      "4 tasks from 10 in steps of 10 to 40",
      "15",
    ],
    ["a part of an array", "auto/8", slurm(3, 3, 3), "SLURM_ARRAY_TASK_COUNT", "8", "1"],
    ["another count", "auto/8", indexed("0", "4"), "TRITC_SHARD_COUNT", "8", "4"],
    [
      "a Job of an unknown size",
      "auto",
      indexed("0"),
      "TRITC_SHARD_COUNT",
      "the Job's completions",
      "nothing",
    ],
    ["an index beyond the count", "auto/2", indexed("2"), "JOB_COMPLETION_INDEX", "0 to 1", "2"],
  ])("is refused: %s", (_, text, environment, place, expected, found) => {
    let refused: unknown;
    try {
      shard(text, environment);
    } catch (error) {
      refused = error;
    }
    const { details } = refused as TritcError;
    expect(details).toMatchObject({ code: "TRITC_E_USAGE", exitCode: 2, place });
    expect(details.expected).toContain(expected);
    expect(details.found).toContain(found);
    expect(details.remedy).toBeTruthy();
  });

  it.each(["", "0/4", "5/4", "1/0", "2", "auto/", "auto/0", "auto/x", "AUTO", "auto/2/3", "-1/2", "1e1/20"])(
    "is none: %j",
    (text) => {
      expect(() => shard(text, slurm(1, 1, 2))).toThrow(InvalidArgumentError);
    },
  );

  it("that no scheduler names is refused by every command that takes one", async () => {
    for (const command of [["calibrate"], ["sample", "bundle", "--prompts", "set.txt"]]) {
      const { code, stdout } = await cli([...command, "-o", "none", "--shard", "auto", "--json"]);
      expect(code).toBe(2);
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: "TRITC_E_USAGE", place: "--shard" } });
    }
  });
});
