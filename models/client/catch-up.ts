import type { Link } from "./link.ts";
import type { Outcome } from "./outcome.ts";
import type { KeptTick } from "./tick-history.ts";

/** A model that got a call, whatever it made of it, has seen it. */
export const wasReached = ({ cause }: Outcome): boolean => cause === "ANSWER" || cause === "MODEL";

/**
 * Gives a model the ticks it missed, in their order, outside of any round: its first question is never asked on nothing.
 * Ends at the first that does not reach it. `onSeen` gets each that does. Never rejects.
 */
export async function replay(
  link: Link,
  deploymentId: string,
  ticks: readonly KeptTick[],
  options: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly onSeen: (tick: KeptTick) => void },
): Promise<void> {
  if (ticks.length === 0) return;
  const { timeoutMs, onSeen } = options;
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(timeoutMs)]);
  if (link.kind === "public") {
    const deadlineAt = Date.now() + timeoutMs;
    for (const tick of ticks) {
      const { outcome } = await link.model.call(tick.bytes(), deadlineAt, signal);
      if (!wasReached(outcome)) return;
      onSeen(tick);
    }
    return;
  }
  await link.fleet.callMany(
    {
      round_id: "",
      targets: [{ deployment: deploymentId, calls: [], deadline_ms: 0 }],
      calls: ticks.map(({ request, key }) => ({ call: request, key })),
      deadline_ms: timeoutMs,
      flush_ms: 0,
      stop_on_failure: false,
    },
    signal,
    (_target, call, { outcome }) => {
      const tick = ticks[call];
      if (tick && wasReached(outcome)) onSeen(tick);
    },
  );
}
