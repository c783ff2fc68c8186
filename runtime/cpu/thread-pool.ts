import { createParticipant, type ThreadMessage, type ThreadReport } from "./participant.js";

/** A started worker thread. */
export interface ThreadHandle {
  post(message: ThreadMessage): void;
  /** Whether the thread, while idle, keeps the process from ending; at first it does not. */
  keepAlive(alive: boolean): void;
  terminate(): Promise<void>;
}

/** Who works with a thread: its reports, and errors of the thread itself. */
export interface ThreadOwner {
  onReport(report: ThreadReport): void;
  onError(error: unknown): void;
}

/**
 * Starts a worker thread that runs `source`, a script which finds `port` in its scope: `port.listen(handler)` and
 * `port.post(report)`.
 */
export type SpawnThread = (source: string, owner: ThreadOwner) => ThreadHandle;

/** A thread on loan. Once it is released or terminated its handle does nothing. */
export interface LentThread extends ThreadHandle {
  /** Gives an idle thread back. */
  release(): Promise<void>;
}

interface Member {
  readonly handle: ThreadHandle;
  owner: ThreadOwner | undefined;
}

const SOURCE = `port.listen((${createParticipant.toString()})((report) => port.post(report), true));`;

/** Threads of a device, which programs borrow: starting one takes longer than a small program runs. */
export class ThreadPool {
  private idle: readonly Member[] = [];
  private closed = false;

  constructor(private readonly spawn: SpawnThread) {}

  /** Lends an idle thread, or a new one. */
  take(owner: ThreadOwner): LentThread {
    const member = this.idle.at(-1) ?? this.start();
    this.idle = this.idle.filter((other) => other !== member);
    member.owner = owner;
    const { handle } = member;
    const mine = () => member.owner === owner;
    const terminate = async () => {
      if (!mine()) return;
      member.owner = undefined;
      await handle.terminate();
    };
    return {
      post: (message) => mine() && handle.post(message),
      keepAlive: (alive) => mine() && handle.keepAlive(alive),
      terminate,
      release: async () => {
        if (!mine() || this.closed) return terminate();
        handle.post({ type: "end" });
        member.owner = undefined;
        this.idle = [...this.idle, member];
      },
    };
  }

  /** Ends idle threads; those on loan end when they come back. */
  async close(): Promise<void> {
    this.closed = true;
    const members = this.idle;
    this.idle = [];
    await Promise.all(members.map(({ handle }) => handle.terminate()));
  }

  private start(): Member {
    const member: Member = {
      owner: undefined,
      handle: this.spawn(SOURCE, {
        onReport: (report) => member.owner?.onReport(report),
        onError: (error) => {
          this.idle = this.idle.filter((other) => other !== member);
          member.owner?.onError(error);
        },
      }),
    };
    return member;
  }
}
