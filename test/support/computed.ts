import { setTimeout } from "node:timers/promises";
import { execa } from "execa";

interface Running {
  readonly pid?: number | undefined;
  readonly exitCode: number | null;
}

/** Resolves when a process has computed for so many seconds; throws where it ends before. */
export function hasComputed(running: Running, seconds: number): Promise<void> {
  return reaches(running, seconds, ([pid]) => Number(pid) === running.pid);
}

/** The same of a process that this one started. */
export function childHasComputed(running: Running, seconds: number): Promise<void> {
  return reaches(running, seconds, ([, parent]) => Number(parent) === running.pid);
}

type Row = readonly string[];

async function reaches(running: Running, seconds: number, isMeant: (row: Row) => boolean): Promise<void> {
  for (;;) {
    const { stdout } = await execa("ps", ["-A", "-o", "pid=,ppid=,time="]);
    const rows = stdout.split("\n").map((line): Row => line.trim().split(/\s+/));
    if (rows.some((row) => isMeant(row) && secondsOf(row[2] ?? "") >= seconds)) return;
    if (running.exitCode !== null) throw new Error("it ended too early");
    await setTimeout(100);
  }
}

/** Of `hours:minutes:seconds`, or less. */
function secondsOf(time: string): number {
  return time.split(":").reduce((total, part) => total * 60 + Number(part), 0);
}
