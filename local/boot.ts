import { join } from "node:path";
import type { PortWish } from "./ports.ts";
import type { Identity } from "./process-identity.ts";
import type { Progress } from "./progress.ts";
import type { ServiceSpec } from "./service.ts";
import type { LocalSettings } from "./settings.ts";
import type { Supervisor } from "./supervisor.ts";

/** What a start has at hand. */
export type Boot = {
  settings: LocalSettings;
  supervisor: Supervisor;
  progress: Progress;
  choosePort(wish: PortWish): Promise<number>;
};

/**
 * A server that the node needs, looked for but not yet opened: first all are looked for, then leftovers are ended,
 * then ports are free and the servers open.
 */
export type Found<T> = {
  /** An earlier process of this folder that is healthy and goes on. */
  earlier: Identity | undefined;
  open(): Promise<T & { text: string }>;
};

/** Infrastructure logs to a file, so that it can outlive a supervisor that was killed. */
export const logFile = ({ supervisor }: Boot, name: string): ServiceSpec["log"] => ({
  file: join(supervisor.dir, "logs", `${name}.log`),
});

/** Port that follows a flag in a recorded command line. */
export const portIn = (identity: Identity | undefined, flag: string): number | undefined => {
  const value = new RegExp(` ${flag} (\\d+)( |$)`).exec(identity?.command ?? "")?.[1];
  return value === undefined ? undefined : Number(value);
};

/** An earlier process is kept only when it runs with the very arguments that it would be given now. */
export const runsWith = (identity: Identity, args: readonly string[]) =>
  identity.command.endsWith(` ${args.join(" ")}`);

export const startedOrKept = (earlier: Identity | undefined) => (earlier ? "still running, taken over" : "started");
