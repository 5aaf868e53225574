import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { CRUNCH, quiet } from "../../models/fixtures/test-fleet.ts";
import { type Orchestrator, startOrchestrator } from "../../models/orchestrator/orchestrator.ts";
import type { SandboxMode } from "../../models/runner/box.ts";

/** Our orchestrator and runner, as anybody runs them; the public client is on the other side. */
export interface OurFleet extends AsyncDisposable {
  readonly orchestrator: Orchestrator;
  /** Runs exactly these; noticed within a second. */
  write(models: Readonly<Record<string, string>>): Promise<void>;
  /** The orchestrator ends and comes back on its port; models start anew. */
  restart(): Promise<void>;
}

/** `models`: id to path of the code. */
export async function startOurFleet(options: {
  models: Readonly<Record<string, string>>;
  packages: readonly string[];
  /** none: only for models that are our own and harmless */
  sandbox?: SandboxMode;
  /** interpreter; python3 */
  python?: string;
}): Promise<OurFleet> {
  const folder = await mkdtemp(join(tmpdir(), "almanac-interop-"));
  const modelsFile = join(folder, "models.yaml");
  const write = (models: Readonly<Record<string, string>>) => writeFile(modelsFile, entries(models, options.packages));
  await write(options.models);
  const start = (port: number) =>
    startOrchestrator({
      host: "127.0.0.1",
      port,
      crunchId: CRUNCH,
      modelsFile,
      runnerPort: 0,
      sandbox: options.sandbox ?? "auto",
      python: options.python ?? "python3",
      stateDir: join(folder, "state"),
      logger: quiet,
    });
  let orchestrator = await start(0);
  return {
    get orchestrator() {
      return orchestrator;
    },
    write,
    async restart() {
      const { port } = orchestrator;
      await orchestrator.close();
      orchestrator = await start(port);
    },
    async [Symbol.asyncDispose]() {
      await orchestrator.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const entries = (models: Readonly<Record<string, string>>, packages: readonly string[]): string =>
  stringify({
    packages,
    models: Object.entries(models).map(([id, code]) => ({
      id,
      code,
      desired_state: "RUNNING",
      name: `name-${id}`,
      crunch_id: CRUNCH,
      cruncher_id: `cruncher-${id}`,
      cruncher_name: `Cruncher ${id}`,
      trusted: true,
    })),
  });
