import type { Boot } from "./boot.ts";
import { FRUGAL_FLAGS, NODE_FLAGS, programPath } from "./program.ts";
import type { ServiceSpec } from "./service.ts";

/** Roles that share a process. A heavy score must never delay a prediction, so predict and score are apart. */
export const GROUPS = ["orchestrator", "feed,predict", "score,checkpoint", "report"] as const;
export type Group = (typeof GROUPS)[number];

const PROGRAM = programPath("workers/main");
/** Between a record and its predictions; the runner inherits the flags of the orchestrator. */
const ON_THE_WAY: ReadonlySet<Group> = new Set(["orchestrator", "feed,predict"]);
/** Runner ports: one a model, so a run of them must be free. */
const RUNNER_PORTS = 16;

/** Where everything is, as settings for the roles. */
export type Addresses = {
  databaseUrl: string;
  temporal: Record<string, string>;
  temporalUiUrl: string;
  rpcUrl: string;
  keyPath: string | undefined;
};

const PORTS = [
  ["REPORT_API_PORT", 1],
  ["REPORT_UI_PORT", 1],
  ["ORCHESTRATOR_PORT", 1],
  ["ORCHESTRATOR_GRPC_PORT", 1],
  ["ORCHESTRATOR_HTTP_PORT", 1],
  ["RUNNER_PORT", RUNNER_PORTS],
] as const;

/** Ports that the roles listen on, each free now. */
export async function chooseRolePorts({ settings, choosePort }: Boot) {
  const ports = {
    REPORT_API_PORT: 0,
    REPORT_UI_PORT: 0,
    ORCHESTRATOR_PORT: 0,
    ORCHESTRATOR_GRPC_PORT: 0,
    ORCHESTRATOR_HTTP_PORT: 0,
    RUNNER_PORT: 0,
  };
  for (const [setting, span] of PORTS)
    ports[setting] = await choosePort({
      setting,
      wanted: settings.config[setting],
      explicit: settings.isExplicit(setting),
      span,
    });
  const metrics = new Map<Group, number>();
  const explicit = settings.isExplicit("METRICS_PORT");
  for (const [index, group] of GROUPS.entries()) {
    const wanted = settings.config.METRICS_PORT === 0 ? 0 : settings.config.METRICS_PORT + index;
    metrics.set(group, await choosePort({ setting: "METRICS_PORT", wanted, explicit: explicit && index === 0 }));
  }
  return { ...ports, metrics };
}
export type RolePorts = Awaited<ReturnType<typeof chooseRolePorts>>;

/** Environment of one group: every address resolved, the signing key only where checkpoints are signed. */
function roleEnvironment(
  { settings, supervisor }: Boot,
  group: Group,
  addresses: Addresses,
  ports: RolePorts,
): Record<string, string> {
  const orchestrator = settings.isExplicit("MODEL_RUNNER_NODE_PORT")
    ? settings.config.MODEL_RUNNER_NODE_PORT
    : ports.ORCHESTRATOR_PORT;
  return {
    ...settings.env,
    ALMANAC_DIR: supervisor.dir, // whole, so that processes which name it are known as this folder's
    DATABASE_URL: addresses.databaseUrl,
    ...addresses.temporal,
    TEMPORAL_UI_URL: addresses.temporalUiUrl,
    SOLANA_RPC_URL: addresses.rpcUrl,
    SOLANA_KEYPAIR_PATH: group === "score,checkpoint" ? (addresses.keyPath ?? "") : "",
    REPORT_API_PORT: String(ports.REPORT_API_PORT),
    REPORT_UI_PORT: String(ports.REPORT_UI_PORT),
    ORCHESTRATOR_PORT: String(ports.ORCHESTRATOR_PORT),
    ORCHESTRATOR_GRPC_PORT: String(ports.ORCHESTRATOR_GRPC_PORT),
    ORCHESTRATOR_HTTP_PORT: String(ports.ORCHESTRATOR_HTTP_PORT),
    MODEL_RUNNER_NODE_PORT: String(orchestrator),
    RUNNER_PORT: String(ports.RUNNER_PORT),
    METRICS_PORT: String(ports.metrics.get(group) ?? 0),
  };
}

export function roleSpec(
  boot: Boot,
  group: Group,
  addresses: Addresses,
  ports: RolePorts,
  line: (line: string) => void,
): ServiceSpec {
  const env = roleEnvironment(boot, group, addresses, ports);
  const takesOverChildren = group === "orchestrator"; // its runner lives on, and with it the models' state
  return {
    name: group.replace(",", "+"),
    command: process.execPath,
    args: [...(ON_THE_WAY.has(group) ? NODE_FLAGS : FRUGAL_FLAGS), PROGRAM, group],
    env,
    takesOverChildren,
    log: { line },
  };
}
