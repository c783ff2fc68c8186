import { randomBytes } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { availableParallelism, hostname, totalmem } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { execa } from "execa";

/** Where Debian has daemons, which are not in everybody's PATH. */
const PATH = [process.env.PATH ?? "", "/usr/sbin", "/sbin"].join(delimiter);
const PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "sinfo"];

/** What is missing to start one; undefined where nothing is. */
export function whatIsMissing(): string | undefined {
  const missing = PROGRAMS.filter(
    (name) => !PATH.split(delimiter).some((folder) => isProgram(join(folder, name))),
  );
  if (missing.length > 0) {
    return `${missing.join(", ")} not found: apt-get install -y --no-install-recommends slurm-wlm munge (Debian, Ubuntu)`;
  }
  return process.getuid?.() === 0
    ? undefined
    : "slurmd starts jobs as root only: run this as root, in a container";
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A Slurm of one node, which is this machine, on the loopback interface: all of it in one folder. */
export interface LocalSlurm {
  /** For the programs that talk to it. */
  readonly env: { readonly PATH: string; readonly SLURM_CONF: string };
  /** Ends its daemons, and waits until they are gone. */
  stop(): Promise<void>;
}

export async function startSlurm(folder: string): Promise<LocalSlurm> {
  for (const name of ["state", "spool", "munge"]) mkdirSync(join(folder, name), { recursive: true });
  const munge = (name: string) => join(folder, "munge", name);
  writeFileSync(munge("munge.key"), randomBytes(1024), { mode: 0o400 });
  const conf = join(folder, "slurm.conf");
  writeFileSync(conf, await configuration(folder, munge("munge.socket")));
  const env = { PATH, SLURM_CONF: conf };
  const stop = async () => {
    for (const name of ["slurmd", "slurmctld", join("munge", "munged")])
      await end(join(folder, `${name}.pid`));
  };
  try {
    await execa(
      "munged",
      [
        "--force",
        `--key-file=${munge("munge.key")}`,
        `--socket=${munge("munge.socket")}`,
        `--pid-file=${munge("munged.pid")}`,
        `--log-file=${munge("munged.log")}`,
        `--seed-file=${munge("munged.seed")}`,
      ],
      { env },
    );
    await execa("slurmctld", ["-f", conf], { env });
    await execa("slurmd", ["-f", conf, "-N", hostname()], { env });
    for (let waited = 0; ; waited++) {
      const { stdout } = await execa("sinfo", ["--noheader", "--format=%T"], { env, reject: false });
      if (stdout.trim() === "idle") return { env, stop };
      if (waited === 120) throw new Error(`the node is ${stdout || "unknown"} after a minute`);
      await setTimeout(500);
    }
  } catch (error) {
    await stop();
    throw error;
  }
}

async function configuration(folder: string, socket: string): Promise<string> {
  const name = hostname();
  const settings = {
    ClusterName: "tritc",
    SlurmctldHost: `${name}(127.0.0.1)`,
    SlurmctldPort: await freePort(),
    SlurmdPort: await freePort(),
    SlurmUser: "root",
    SlurmdUser: "root",
    AuthType: "auth/munge",
    CredType: "cred/munge",
    AuthInfo: `socket=${socket}`,
    StateSaveLocation: join(folder, "state"),
    SlurmdSpoolDir: join(folder, "spool"),
    SlurmctldPidFile: join(folder, "slurmctld.pid"),
    SlurmdPidFile: join(folder, "slurmd.pid"),
    SlurmctldLogFile: join(folder, "slurmctld.log"),
    SlurmdLogFile: join(folder, "slurmd.log"),
    ProctrackType: "proctrack/linuxproc",
    TaskPlugin: "task/none",
    JobAcctGatherType: "jobacct_gather/none",
    AccountingStorageType: "accounting_storage/none",
    SelectType: "select/cons_tres",
    SelectTypeParameters: "CR_Core",
    SchedulerType: "sched/backfill",
    SchedulerParameters: "sched_interval=1,bf_interval=1,batch_sched_delay=0",
    ReturnToService: 2,
    MpiDefault: "none",
    SwitchType: "switch/none",
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
  const memory = Math.floor(totalmem() / 2 ** 20);
  lines.push(
    `NodeName=${name} NodeAddr=127.0.0.1 CPUs=${availableParallelism()} RealMemory=${memory} State=UNKNOWN`,
  );
  lines.push(`PartitionName=main Nodes=${name} Default=YES MaxTime=INFINITE State=UP`);
  return `${lines.join("\n")}\n`;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

/** Ends the process whose id a file has. */
async function end(pidFile: string): Promise<void> {
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, "utf8"));
  if (!Number.isSafeInteger(pid) || pid <= 1) return;
  for (let waited = 0; waited < 100; waited++) {
    try {
      process.kill(pid, waited === 99 ? "SIGKILL" : waited === 0 ? "SIGTERM" : 0);
    } catch {
      return;
    }
    await setTimeout(100);
  }
}
