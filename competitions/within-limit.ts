import { createContext, Script } from "node:vm";

const LIMIT_MS = 1_000;
const room = createContext({ run: (): void => undefined });
const script = new Script("run()", { filename: "dry run" });

/** V8's watchdog ends a call that does not end by itself. Throws what the call throws, or that it did not end. */
export function withinLimit<T>(call: () => T): T {
  let value: T | undefined;
  room.run = () => {
    value = call();
  };
  try {
    script.runInContext(room, { timeout: LIMIT_MS });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    throw new Error(`it did not end within ${LIMIT_MS} ms`);
  }
  return value as T;
}
