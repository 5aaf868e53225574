import { Context } from "@temporalio/activity";

const EVERY_MS = 2_000;

type Activities = Record<string, (...args: never[]) => Promise<unknown>>;

/** Lets every activity say that it lives: a worker that is killed is missed within the heartbeat time-out, not the whole time-out. */
export const heartbeating = <A extends Activities>(activities: A): A =>
  Object.fromEntries(Object.entries(activities).map(([name, run]) => [name, beating(run)])) as A;

const beating =
  (run: (...args: never[]) => Promise<unknown>) =>
  async (...args: never[]): Promise<unknown> => {
    const context = Context.current();
    const beat = setInterval(() => context.heartbeat(), EVERY_MS);
    try {
      return await run(...args);
    } finally {
      clearInterval(beat);
    }
  };
