/** `distill --emit kubernetes`: what the jobs run, word by word, and what they are. */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { emittedJobs, PATIENT } from "./emitted.js";

const { root, at, now, options, expected, emit, submit, calls } = emittedJobs();

describe("jobs of Kubernetes", PATIENT, () => {
  const volume = ["--image", "registry.example:5000/tritc:0.1.0", "--claim", "models", "--mount", root];

  it("run the commands to the word", async () => {
    const emitted = await emit("pods", "--emit", "kubernetes", ...options, ...volume, "--name", "run-1");
    expect(spawnSync("bash", ["-n", join(emitted.out, "submit.sh")]).stderr.toString()).toBe("");
    const { exitCode, stderr } = await submit(emitted);
    expect(exitCode, stderr).toBe(0);
    expect(calls().map(({ argv }) => argv)).toEqual(expected(at("run-1")));
    expect(calls().map(({ index }) => index)).toEqual(["0", "1", "", "", ""]);
  });

  it("are what batch/v1 takes", async () => {
    const { out, files } = await emit("jobs", "--emit", "kubernetes", ...options, ...volume);
    expect(files).toEqual([
      ...["1-calibrate", "2-merge-calibration", "3-distill", "4-compile"].map((name) => `${name}.json`),
      "submit.sh",
    ]);
    for (const name of files.slice(0, -1)) {
      const job = JSON.parse(readFileSync(join(out, name), "utf8")) as object;
      expect(job).toMatchObject({
        apiVersion: "batch/v1",
        kind: "Job",
        metadata: { name: `tritc-${name.slice(2, -5)}` },
        spec: {
          template: {
            spec: {
              restartPolicy: "Never",
              containers: [
                {
                  name: "tritc",
                  image: "registry.example:5000/tritc:0.1.0",
                  command: ["sh", "-c", expect.any(String)],
                  resources: { requests: { cpu: "3", memory: "1908Mi" }, limits: { memory: "1908Mi" } },
                  volumeMounts: [{ name: "data", mountPath: root }],
                },
              ],
              volumes: [{ name: "data", persistentVolumeClaim: { claimName: "models" } }],
            },
          },
        },
      });
      const indexed = { completionMode: "Indexed", completions: 2, parallelism: 2, backoffLimitPerIndex: 6 };
      expect(job).toMatchObject({ spec: name.startsWith("1-") ? indexed : { backoffLimit: 6 } });
      if (!name.startsWith("1-")) expect(job).not.toHaveProperty("spec.completions");
    }
  });

  it("begin anew where one failed, and a Job that failed when it is submitted again", async () => {
    const emitted = await emit("again", "--emit", "kubernetes", ...volume, "--name", "again");
    writeFileSync(join(now.bin, "fail-distill"), "1");
    expect((await submit(emitted)).exitCode).toBe(0);
    expect(calls()).toHaveLength(2);

    rmSync(at("again", "model"), { recursive: true });
    rmSync(join(now.bin, "again-distill.state"));
    // Wrong usage is not tried again.
    writeFileSync(join(now.bin, "fail-distill"), "2");
    const failed = await submit(emitted);
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toContain("1-distill.json failed");
    expect(calls()).toHaveLength(3);
    expect((await submit(emitted)).exitCode).toBe(0);
    expect((await submit(emitted)).exitCode).toBe(0);
    expect(calls()).toHaveLength(4);
  });
});
