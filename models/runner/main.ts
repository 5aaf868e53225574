import { pino } from "pino";
import { z } from "zod";
import { serverSecurityOf } from "../secure/from-settings.ts";
import { type Control, createControl } from "./control.ts";
import { createRunner } from "./runner.ts";

const settingsShape = z.object({
  host: z.string(),
  firstPort: z.number(),
  sandbox: z.enum(["auto", "required", "none"]),
  containers: z.object({ engine: z.string(), image: z.string() }).nullable(),
  security: z.object({
    RUNNER_SECURITY: z.enum(["none", "mtls", "gateway"]),
    RUNNER_CERT_DIR: z.string().optional(),
    RUNNER_COORDINATOR_KEYS: z.string().optional(),
    RUNNER_COORDINATOR_WALLET: z.string().optional(),
    RUNNER_COORDINATOR_HOTKEY: z.string().optional(),
    RUNNER_GATEWAY_TOKENS: z.enum(["once", "connection"]),
  }),
  interpreters: z.array(
    z.object({
      executable: z.string(),
      version: z.tuple([z.number(), z.number(), z.number()]),
      site: z.array(z.string()),
      prefixes: z.array(z.string()),
      searchPath: z.string(),
    }),
  ),
  stateDir: z.string(),
  socketPath: z.string(),
  fingerprint: z.string(),
  graceMs: z.number(),
});
/** The only argument of the runner's process, as JSON. */
export type RunnerSettings = z.infer<typeof settingsShape>;

async function main(): Promise<void> {
  process.umask(0o022); // models read copies that we make
  const settings = settingsShape.parse(JSON.parse(process.argv[2] ?? "{}"));
  const logger = pino({ base: { role: "runner", pid: process.pid } });
  let control: Control | undefined;
  const runner = await createRunner({
    ...settings,
    security: await serverSecurityOf(settings.security, logger),
    logger,
    onChange: () => control?.changed(),
  });
  let stopping = false;
  const stop = async (why: string) => {
    if (stopping) return;
    stopping = true;
    logger.info({ why }, "runner stops");
    await Promise.all([control?.close(), runner.close()]);
    process.exit(0);
  };
  control = await createControl({
    socketPath: settings.socketPath,
    settings: settings.fingerprint,
    graceMs: settings.graceMs,
    runner: () => runner,
    onStop: stop,
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void stop(signal));
  logger.info(runner.info().sandbox, "runner is ready");
}

main().catch((error: Error) => {
  process.stderr.write(`runner: ${error.message}\n`);
  process.exit(1);
});
