import type { Boot } from "./boot.ts";
import { build } from "./builds.ts";
import { findChain, signingKeyPath } from "./chain-service.ts";
import { findPostgresServer } from "./postgres-service.ts";
import { buildProducts } from "./products.ts";
import { NODE_FLAGS, programPath } from "./program.ts";
import { type Addresses, chooseRolePorts, GROUPS, type RolePorts, roleSpec } from "./roles.ts";
import { findTemporalServer } from "./temporal-service.ts";
import { watchMilestones } from "./watch.ts";

export type RunOptions = {
  root: string;
  /** Gives the printer for the lines of one role. */
  print(name: string): (line: string) => void;
  signal: AbortSignal;
};

async function step<T extends { text: string }>(boot: Boot, name: string, work: () => Promise<T>): Promise<T> {
  try {
    const result = await work();
    boot.progress.done(name, result.text);
    return result;
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  }
}

/** Servers: looked for, leftovers of a killed start ended, then opened, all at once where nothing depends. */
async function openServers(boot: Boot): Promise<Addresses> {
  const [postgres, temporal, chain] = await Promise.all([
    findPostgresServer(boot),
    findTemporalServer(boot),
    findChain(boot),
  ]);
  const earlier = [postgres.earlier, temporal.earlier, chain.earlier].filter((identity) => identity !== undefined);
  const ended = await boot.supervisor.endLeftovers(earlier);
  if (ended.length > 0) boot.progress.warn(`an earlier start was killed; ended what it left: ${ended.join(", ")}`);
  const [{ url }, { connection, uiUrl }, { rpcUrl }] = await Promise.all([
    step(boot, "postgres", async () => {
      const opened = await postgres.open();
      const prepared = await prepare(boot, "database", { DATABASE_URL: opened.url });
      return { ...opened, text: `${opened.text}, ${prepared}` };
    }),
    step(boot, "temporal", async () => {
      const opened = await temporal.open();
      await prepare(boot, "temporal", opened.connection);
      return opened;
    }),
    step(boot, "chain", chain.open),
  ]);
  return { databaseUrl: url, temporal: connection, temporalUiUrl: uiUrl, rpcUrl, keyPath: signingKeyPath(boot) };
}

/** Runs one preparation in a process of its own; gives back what it says. */
const prepare = async (boot: Boot, what: "database" | "temporal", addresses: Record<string, string>) =>
  (
    await build(`The ${what} server`, process.execPath, [...NODE_FLAGS, programPath("local/prepare-servers"), what], {
      ...boot.settings.env,
      ...addresses,
    })
  ).trim();

function tellWhere({ progress }: Boot, addresses: Addresses, ports: RolePorts) {
  const base = `http://localhost:${ports.REPORT_API_PORT}`;
  progress.note(
    `page and API  ${base}${ports.REPORT_UI_PORT ? `  and  http://localhost:${ports.REPORT_UI_PORT}` : ""}`,
  );
  progress.note(`Temporal UI   ${addresses.temporalUiUrl}`);
}

/** Starts everything in order and tells the milestones; the supervisor keeps it running after this returned. */
export async function runNode(boot: Boot, { root, print, signal }: RunOptions): Promise<void> {
  const since = new Date();
  const [addresses] = await Promise.all([openServers(boot), buildProducts(boot, root)]);
  if (signal.aborted) return;
  const ports = await chooseRolePorts(boot);
  for (const group of GROUPS) {
    const spec = roleSpec(boot, group, addresses, ports, print(group));
    boot.supervisor.start("roles", spec);
  }
  boot.progress.done("roles", GROUPS.map((group) => group.replace(",", "+")).join("  "));
  tellWhere(boot, addresses, ports);
  const base = `http://127.0.0.1:${ports.REPORT_API_PORT}`;
  const { event, done } = boot.progress;
  const healthy = () => done("api + ui", "answer");
  void watchMilestones({ base, apiKey: boot.settings.config.API_KEY, since, signal }, { healthy, event });
}
