import { inspect } from "node:util";
import { type Logger, pino } from "pino";
import { CompetitionError } from "../competitions/competition-error.ts";
import { type Config, ConfigError, readConfig } from "../config.ts";
import type { Role } from "./context.ts";
import { serveHealth } from "./health.ts";

const ROLES = ["feed", "predict", "score", "checkpoint", "report", "orchestrator"] as const;
export type RoleName = (typeof ROLES)[number];

/** A role that does not drain by then is ended; under `npm start` the supervisor is quicker. */
const DRAIN_LIMIT_MS = 28_000;
const EXIT_CONFIG = 3;

function parseRoles(text: string | undefined): RoleName[] {
  const names = (text ?? "").split(",").filter(Boolean);
  const wrong = names.filter((name) => !(ROLES as readonly string[]).includes(name));
  if (names.length === 0 || wrong.length > 0)
    throw new ConfigError([`roles "${text ?? ""}": name one or more of ${ROLES.join(", ")}, comma separated`]);
  return names as RoleName[];
}

/** Opens what the roles need, runs them until SIGTERM or SIGINT, and closes in reverse. */
async function main(): Promise<void> {
  const names = parseRoles(process.argv[2]);
  const config = readConfig();
  const log = pino({ level: config.LOG_LEVEL, base: { role: names.join("+") } });
  const stopped = stopSignal();
  await using open = new AsyncDisposableStack();
  const roles = await Promise.race([start(names, config, log, open), stopped.then(() => [])]);
  open.use(await serveRoles(roles, config, log));
  if (roles.length > 0) log.info({ roles: names }, "ready");
  await Promise.race([stopped, ...roles.map((role) => role.run())]);
  log.info("draining");
  setTimeout(() => process.exit(1), DRAIN_LIMIT_MS).unref();
  for (const role of roles.toReversed()) await role.drain();
}

/** What the other roles are made of is loaded only where it is used: the orchestrator's process stays small. */
async function start(names: RoleName[], config: Config, log: Logger, open: AsyncDisposableStack): Promise<Role[]> {
  if (!names.includes("orchestrator")) return (await import("./compose.ts")).startRoles(names, config, log, open);
  const orchestrator = await (await import("./orchestrator.ts")).startOrchestratorRole(config, log);
  const others = names.filter((name) => name !== "orchestrator");
  return [orchestrator, ...(others.length > 0 ? await start(others, config, log, open) : [])];
}

/** /metrics, livez and readyz of this process. */
async function serveRoles(roles: readonly Role[], config: Config, log: Logger): Promise<AsyncDisposable> {
  const check = (role: Role) => async () => (await role.missing()).join("; ") || null;
  const checks = Object.fromEntries(roles.map((role) => [role.name, check(role)]));
  const health = await serveHealth({ host: config.API_HOST, port: config.METRICS_PORT, checks, log });
  return { [Symbol.asyncDispose]: () => health.close() };
}

const stopSignal = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });

await main().then(
  () => process.exit(0),
  (error: unknown) => {
    const ofSettings = error instanceof ConfigError || error instanceof CompetitionError;
    process.stderr.write(`${ofSettings ? error.message : inspect(error, { showHidden: true })}\n`);
    process.exit(ofSettings ? EXIT_CONFIG : 1);
  },
);
