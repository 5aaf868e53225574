import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "@temporalio/client";
import { msToTs, tsToMs } from "@temporalio/common/lib/time.js";
import proto from "@temporalio/proto";

/** What both Connection and NativeConnection offer. */
export type TemporalServices = Pick<Connection, "workflowService" | "operatorService">;
export type NamespaceWish = { name: string; retentionDays: number; description: string };

const ROUND_RETENTION_DAYS = 3;
const CHECKPOINT_RETENTION_DAYS = 90;

const DAY_MS = 86_400_000;
const USABLE_WITHIN_MS = 60_000; // servers read new namespaces and attributes into their caches every 10 s or so
const POLL_MS = 200;
const CODE = { invalidArgument: 3, notFound: 5, alreadyExists: 6 };

const { INDEXED_VALUE_TYPE_KEYWORD, INDEXED_VALUE_TYPE_DATETIME } = proto.temporal.api.enums.v1.IndexedValueType;

/** Search attributes of the node's workflows, in every namespace it uses. */
export const SEARCH_ATTRIBUTES = {
  Competition: INDEXED_VALUE_TYPE_KEYWORD,
  Subject: INDEXED_VALUE_TYPE_KEYWORD,
  Phase: INDEXED_VALUE_TYPE_KEYWORD,
  CheckpointState: INDEXED_VALUE_TYPE_KEYWORD,
  ResolveAt: INDEXED_VALUE_TYPE_DATETIME,
} as const;

const codeOf = (error: unknown): number => (error as { code?: number }).code ?? -1;

/** The node's two namespaces: rounds and windows are short-lived, checkpoints are kept for a quarter. */
const nodeNamespaces = (rounds: string, checkpoints: string): NamespaceWish[] => [
  { name: rounds, retentionDays: ROUND_RETENTION_DAYS, description: "Almanac: prediction rounds and scoring windows" },
  {
    name: checkpoints,
    retentionDays: CHECKPOINT_RETENTION_DAYS,
    description: "Almanac: emission checkpoints and payouts",
  },
];

/** Retention of a namespace in days; undefined when there is no such namespace. */
export async function retentionDays(
  { workflowService }: TemporalServices,
  namespace: string,
): Promise<number | undefined> {
  try {
    const { config } = await workflowService.describeNamespace({ namespace });
    return tsToMs(config?.workflowExecutionRetentionTtl) / DAY_MS;
  } catch (error) {
    if (codeOf(error) === CODE.notFound) return undefined;
    throw error;
  }
}

async function register({ workflowService }: TemporalServices, wish: NamespaceWish): Promise<void> {
  const workflowExecutionRetentionPeriod = msToTs(wish.retentionDays * DAY_MS);
  try {
    await workflowService.registerNamespace({
      namespace: wish.name,
      description: wish.description,
      workflowExecutionRetentionPeriod,
    });
  } catch (error) {
    if (codeOf(error) !== CODE.alreadyExists) throw error; // another process was faster
  }
}

const lengthen = ({ workflowService }: TemporalServices, { name, retentionDays }: NamespaceWish) =>
  workflowService.updateNamespace({
    namespace: name,
    config: { workflowExecutionRetentionTtl: msToTs(retentionDays * DAY_MS) },
  });

/** Makes the namespaces, or lengthens their retention, and checks the result. A longer retention is left alone. */
export async function ensureNamespaces(services: TemporalServices, wishes: readonly NamespaceWish[]): Promise<void> {
  for (const wish of wishes) {
    const before = await retentionDays(services, wish.name);
    if (before === undefined) await register(services, wish);
    else if (before < wish.retentionDays) await untilKnown(() => lengthen(services, wish));
    const after = (await retentionDays(services, wish.name)) ?? 0;
    if (after < wish.retentionDays)
      throw new Error(
        `Temporal namespace ${wish.name} keeps closed workflows ${after} day(s); at least ${wish.retentionDays} are needed. Raise its retention: temporal operator namespace update --retention ${wish.retentionDays}d -n ${wish.name}`,
      );
  }
}

async function addMissing({ operatorService }: TemporalServices, namespace: string): Promise<void> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const missing = Object.entries(SEARCH_ATTRIBUTES).filter(([name]) => !(name in (customAttributes ?? {})));
  for (const [name, type] of missing)
    try {
      await operatorService.addSearchAttributes({ namespace, searchAttributes: { [name]: type } });
    } catch (error) {
      if (codeOf(error) !== CODE.alreadyExists) throw error; // another process was faster
    }
}

/** Repeats until the server's caches know what was just registered: notFound and invalidArgument until then. */
async function untilKnown(work: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + USABLE_WITHIN_MS;
  for (;;) {
    try {
      return void (await work());
    } catch (error) {
      const passing = codeOf(error) === CODE.notFound || codeOf(error) === CODE.invalidArgument;
      if (!passing || Date.now() > deadline) throw error;
    }
    await sleep(POLL_MS);
  }
}

/** Registers the search attributes in each namespace and waits until queries may use them. */
async function ensureSearchAttributes(services: TemporalServices, namespaces: readonly string[]): Promise<void> {
  const query = `${Object.keys(SEARCH_ATTRIBUTES)
    .filter((name) => name !== "ResolveAt")
    .map((name) => `${name} = ""`)
    .join(" or ")} or ResolveAt is null`;
  for (const namespace of namespaces) {
    await untilKnown(() => addMissing(services, namespace));
    await untilKnown(() => services.workflowService.countWorkflowExecutions({ namespace, query }));
  }
}

/** All that the node needs of a Temporal server, on every boot; safe to run by several processes at once. */
export async function prepareTemporal(services: TemporalServices, rounds: string, checkpoints: string): Promise<void> {
  await ensureNamespaces(services, nodeNamespaces(rounds, checkpoints));
  await ensureSearchAttributes(services, [rounds, checkpoints]);
}
