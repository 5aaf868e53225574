import type { Logger } from "pino";
import { MODEL_STATE, type ModelStateMessage } from "../protocol/fleet-messages.ts";
import type { ServerSecurity } from "../secure/server-security.ts";
import { type Backend, type ContainerSettings, createBackend, type Sandbox } from "./backend.ts";
import { levelName, modelUid, type SandboxMode } from "./box.ts";
import { createFleetServer } from "./fleet-server.ts";
import { createFleetWatch } from "./fleet-watch.ts";
import { submissionLanguage } from "./language.ts";
import { createModelHost, type ModelHost } from "./model-host.ts";
import { createModelServer, type ModelServer } from "./model-server.ts";
import type { Interpreter } from "./python.ts";
import { createStaging } from "./staging.ts";

const STARTS_AT_ONCE = 3;

/** What the orchestrator wants to run. */
export interface RunnerModel {
  readonly deploymentId: string;
  readonly modelId: string;
  /** of its files, so that a new orchestrator knows again what runs */
  readonly version: string;
  /** folder of the submission, or its one .py file */
  readonly code: string;
  /** folders with Python packages that the model may import */
  readonly packages: readonly string[];
  /** folders of installed Python packages (a venv's site-packages) */
  readonly site?: readonly string[] | undefined;
  /** without this, it does not run where there is no sandbox */
  readonly trusted: boolean;
}
/** DOWN: its process ended and is started again after a pause. */
type RunnerModelState = "STARTING" | "RUNNING" | "DOWN" | "REFUSED";
export interface RunnerModelInfo {
  readonly deploymentId: string;
  readonly modelId: string;
  readonly version: string;
  readonly state: RunnerModelState;
  readonly port: number | null;
  /** why it does not run, for people */
  readonly reason: string | null;
  readonly incarnation: number;
}
export interface RunnerInfo {
  readonly pid: number;
  readonly sandbox: Sandbox;
  /** port of the fleet service; null: not served */
  readonly fleetPort: number | null;
  readonly models: readonly RunnerModelInfo[];
}
export interface Runner {
  info(): RunnerInfo;
  /** Makes exactly these models run. */
  apply(models: readonly RunnerModel[]): void;
  restart(deploymentId: string, why: string): void;
  /** What a model printed last. */
  log(deploymentId: string): string | undefined;
  close(): Promise<void>;
}

interface Entry {
  readonly model: RunnerModel;
  readonly slot: number;
  state: RunnerModelState;
  reason: string | null;
  host?: ModelHost;
  server?: ModelServer;
  gone: boolean;
}

const observed = (host: ModelHost): RunnerModelState => {
  if (host.state() === "READY") return "RUNNING";
  return host.incarnation() === 1 && host.state() === "STARTING" ? "STARTING" : "DOWN";
};

const infoOf = ({ model, state, reason, host, server }: Entry): RunnerModelInfo => ({
  deploymentId: model.deploymentId,
  modelId: model.modelId,
  version: model.version,
  state: state === "RUNNING" && host ? observed(host) : state,
  port: server?.port ?? null,
  reason: reason ?? host?.reason() ?? null,
  incarnation: host?.incarnation() ?? 0,
});

const watched = (entry: Entry): ModelStateMessage => {
  const { deploymentId, modelId, state, reason, incarnation } = infoOf(entry);
  return {
    deployment: deploymentId,
    model: modelId,
    state: MODEL_STATE[state],
    why: reason ?? "",
    incarnation,
    dropped_log_bytes: entry.host?.log.droppedBytes() ?? 0,
  };
};

/** Many models in one process, each in a boxed process of its own and on a port of its own. */
export async function createRunner(options: {
  host: string;
  firstPort: number;
  sandbox: SandboxMode;
  /** absent: boxes of our own */
  containers?: ContainerSettings | null;
  /** who may call models; absent: whoever reaches them */
  security?: ServerSecurity | undefined;
  interpreters: readonly Interpreter[];
  stateDir: string;
  logger: Logger;
  onChange: () => void;
}): Promise<Runner> {
  const { logger } = options;
  const staging = await createStaging(options.stateDir);
  const backend: Backend = await createBackend({ ...options, containers: options.containers ?? null, staging }).catch(
    async (error) => {
      await staging.remove();
      throw error;
    },
  );
  const { sandbox } = backend;
  const entries = new Map<string, Entry>();
  const waiting: Entry[] = [];
  const watch = createFleetWatch(() => [...entries.values()].map(watched));
  const onChange = () => {
    options.onChange();
    watch.changed();
  };
  let starting = 0;
  // Where models must prove themselves, each does so at its own address.
  const fleet = options.security
    ? undefined
    : await createFleetServer({
        host: options.host,
        sandbox: levelName(sandbox),
        modelCount: () => entries.size,
        watch,
        hostOf: (deploymentId) => entries.get(deploymentId)?.host,
      });

  const freeSlot = () => {
    const used = new Set([...entries.values()].map((entry) => entry.slot));
    let slot = 1;
    while (used.has(slot)) slot++;
    return slot;
  };

  async function begin(entry: Entry): Promise<void> {
    const { model, slot } = entry;
    if (sandbox.level === "none" && options.sandbox !== "none" && !model.trusted) {
      return refuse(
        entry,
        "No sandbox works on this machine. Install bubblewrap, mark the model `trusted: true`, or set SANDBOX=none.",
      );
    }
    const staged = await staging.stage(model.deploymentId, model, modelUid(slot));
    const language = await submissionLanguage(staged.code);
    const folders = { ...staged, more: [...(model.site ?? [])] };
    const changed = () => {
      entry.server?.changed();
      onChange();
    };
    entry.host = createModelHost({
      start: backend.hostStarter(language, slot, folders),
      logger: logger.child({ model: model.modelId, deployment: model.deploymentId }),
      onChange: changed,
    });
    entry.server = await createModelServer({
      host: options.host,
      firstPort: options.firstPort === 0 ? 0 : options.firstPort + slot - 1,
      model: entry.host,
      ...(options.security ? { security: options.security.forModel(model.modelId) } : {}),
    });
    entry.state = "RUNNING";
    entry.reason = null;
    onChange();
  }

  const refuse = (entry: Entry, reason: string) => {
    entry.state = "REFUSED";
    entry.reason = reason;
    logger.warn({ model: entry.model.modelId, reason }, "model cannot run");
    onChange();
  };

  function startMore(): void {
    while (starting < STARTS_AT_ONCE) {
      const entry = waiting.shift();
      if (!entry) return;
      if (entry.gone) continue;
      starting++;
      begin(entry)
        .catch((error) => refuse(entry, (error as Error).message))
        .finally(() => {
          starting--;
          if (entry.gone) void end(entry);
          startMore();
        });
    }
  }

  async function end(entry: Entry): Promise<void> {
    entry.gone = true;
    entry.server?.close();
    await entry.host?.stop();
    await staging.drop(entry.model.deploymentId);
  }

  return {
    info: () => ({
      pid: process.pid,
      sandbox,
      fleetPort: fleet?.port ?? null,
      models: [...entries.values()].map(infoOf),
    }),
    apply(models) {
      const wanted = new Map(models.map((model) => [model.deploymentId, model]));
      for (const [id, entry] of entries) {
        if (wanted.has(id)) continue;
        entries.delete(id);
        void end(entry);
      }
      for (const model of wanted.values()) {
        if (entries.has(model.deploymentId)) continue;
        const entry: Entry = { model, slot: freeSlot(), state: "STARTING", reason: "starting", gone: false };
        entries.set(model.deploymentId, entry);
        waiting.push(entry);
      }
      startMore();
      onChange();
    },
    restart: (deploymentId, why) => entries.get(deploymentId)?.host?.restart(why),
    log: (deploymentId) => entries.get(deploymentId)?.host?.log.text(),
    async close() {
      watch.close();
      fleet?.close();
      options.security?.close();
      const all = [...entries.values()];
      entries.clear();
      await Promise.all(all.map(end));
      await staging.remove();
    },
  };
}
