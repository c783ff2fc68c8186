import { guidedBy } from "../../runtime/guided.js";
import type { Query, Transformer } from "./transformer.js";

/** What a transformer predicts, with a second pass for queries that have one; the first alone counts in moments. */
export async function guidedVelocities(
  transformer: Transformer,
  queries: readonly Query[],
  weight = 0,
): Promise<readonly Float32Array[]> {
  const velocities = await transformer.velocities(queries, weight);
  const seconds = queries.flatMap((query) =>
    query.twoPasses === undefined ? [] : [{ ...query, ...query.twoPasses }],
  );
  if (seconds.length === 0) return velocities;
  const others = (await transformer.velocities(seconds)).values();
  return velocities.map((velocity, i) => {
    const scale = queries[i]?.twoPasses?.scale;
    const other = scale === undefined ? undefined : others.next().value;
    return scale === undefined || other === undefined ? velocity : guidedBy(scale, velocity, other);
  });
}
