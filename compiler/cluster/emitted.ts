import { packageVersion } from "../version.js";

/** A file that is written for a scheduler. */
export interface EmittedFile {
  readonly name: string;
  readonly text: string;
  /** It is to be run. */
  readonly isProgram?: boolean;
  /** People write in it: once there, it stays. */
  readonly isTheirs?: boolean;
}

/** What a job is called, and a task of it gets. */
export interface Resources {
  /** Before the names of all jobs. */
  readonly name: string;
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** What heads every file. */
export function maker(scheduler: string): string {
  return `Made by tritc ${packageVersion()}: distill --emit ${scheduler}`;
}

export const SUBMIT = "submit.sh";
