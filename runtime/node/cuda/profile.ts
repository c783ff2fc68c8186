import { EVENT_TIMING } from "./api.js";
import type { CudaContext } from "./context.js";
import type { LaunchList } from "./launches.js";

/** Device time of a launch. */
export interface LaunchTime {
  readonly label: string;
  /** Id of the kernel that ran. */
  readonly kernel: string;
  readonly milliseconds: number;
}

/** Seconds of what `submit` gives a stream to do, between two events. The context is current. */
export async function timeBetween(
  context: CudaContext,
  stream: bigint,
  place: string,
  submit: () => Promise<void>,
): Promise<number> {
  const { driver } = context;
  const events = [0, 1].map(() => driver.create(place, "cuEventCreate", EVENT_TIMING));
  const [first = 0n, last = 0n] = events;
  try {
    driver.call(place, "cuEventRecord", first, stream);
    await submit();
    driver.call(place, "cuEventRecord", last, stream);
    await context.synchronize(stream, place);
    context.enter();
    const milliseconds = new Float32Array(1);
    driver.call(place, "cuEventElapsedTime", milliseconds, first, last);
    return (milliseconds[0] ?? 0) / 1000;
  } finally {
    for (const event of events) driver.result("cuEventDestroy_v2", event);
  }
}

/** Runs launches one after the other, with an event between any two. The context is current. */
export async function profileLaunches(
  context: CudaContext,
  stream: bigint,
  lists: readonly LaunchList[],
  place: string,
): Promise<readonly LaunchTime[]> {
  const { driver } = context;
  const events: bigint[] = [];
  const mark = (): void => {
    const event = driver.create(place, "cuEventCreate", EVENT_TIMING);
    events.push(event);
    driver.call(place, "cuEventRecord", event, stream);
  };
  try {
    mark();
    for (const list of lists) {
      for (let i = 0; i < list.launches.length; i++) {
        list.launch(i, stream);
        mark();
      }
    }
    await context.synchronize(stream, place);
    context.enter();
    return lists
      .flatMap((list) => list.launches)
      .map(({ label, kernel }, i) => {
        const milliseconds = new Float32Array(1);
        driver.call(place, "cuEventElapsedTime", milliseconds, events[i] ?? 0n, events[i + 1] ?? 0n);
        return { label, kernel: kernel.kernel.id, milliseconds: milliseconds[0] ?? 0 };
      });
  } finally {
    for (const event of events) driver.result("cuEventDestroy_v2", event);
  }
}
