import { renderTemplate } from "../../templates/render.js";
import type { Step } from "./chain.js";
import { type EmittedFile, maker, type Resources, SUBMIT } from "./emitted.js";
import { shellStep } from "./shell.js";

export interface KubernetesOptions extends Resources {
  /** With `tritc` in its PATH. */
  readonly image: string;
  /** The volume that all pods mount, and where. */
  readonly claim: string;
  readonly mount: string;
}

/** How often a task is begun anew before its Job fails; what evicts it does not count. */
const RETRIES = 6;
/** In seconds, to stop in order. */
const GRACE = 60;

/** A Job for each step, and a script that makes them one after the other. */
export function kubernetesFiles(steps: readonly Step[], options: KubernetesOptions): readonly EmittedFile[] {
  const jobs = steps.map(
    (step, i): EmittedFile => ({
      name: `${i + 1}-${step.name}.json`,
      text: `${JSON.stringify(jobOf(step, options), null, 2)}\n`,
    }),
  );
  const files = jobs.map(({ name }) => name);
  const text = renderTemplate("cluster/kubernetes-submit.sh.hbs", { maker: maker("kubernetes"), files });
  return [...jobs, { name: SUBMIT, text, isProgram: true }];
}

/** A batch/v1 Job. */
function jobOf(step: Step, { name, image, claim, mount, cpus, memoryBytes }: KubernetesOptions) {
  const { shards } = step;
  const { out, command } = shellStep(step, { tritc: "tritc", shard: `"$((JOB_COMPLETION_INDEX + 1))"` });
  const script = renderTemplate("cluster/kubernetes-step.sh.hbs", { out, command, once: step.once });
  const labels = { "app.kubernetes.io/name": "tritc", "app.kubernetes.io/instance": name };
  const memory = `${Math.ceil(memoryBytes / 2 ** 20)}Mi`;
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: `${name}-${step.name}`,
      labels,
      annotations: { "tritc/made-by": maker("kubernetes") },
    },
    spec: {
      ...(shards === undefined
        ? { backoffLimit: RETRIES }
        : {
            ...{ completionMode: "Indexed", completions: shards, parallelism: shards },
            backoffLimitPerIndex: RETRIES,
          }),
      podFailurePolicy: {
        rules: [
          { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
          // A wrong command line is as wrong the next time.
          { action: "FailJob", onExitCodes: { containerName: "tritc", operator: "In", values: [2] } },
        ],
      },
      template: {
        metadata: { labels },
        spec: {
          restartPolicy: "Never",
          terminationGracePeriodSeconds: GRACE,
          containers: [
            {
              name: "tritc",
              image,
              command: ["sh", "-c", unexpanded(script)],
              resources: { requests: { cpu: `${cpus}`, memory }, limits: { memory } },
              volumeMounts: [{ name: "data", mountPath: mount }],
            },
          ],
          volumes: [{ name: "data", persistentVolumeClaim: { claimName: claim } }],
        },
      },
    },
  };
}

/** Kubernetes puts variables into commands itself, `$(NAME)`; of `$$` it makes `$`. */
function unexpanded(text: string): string {
  return text.replaceAll("$", () => "$$");
}
