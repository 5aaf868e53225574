import { join } from "node:path";
import { CRUNCH, fixture } from "../../models/fixtures/test-fleet.ts";
import type { DeploymentInfo } from "../../models/orchestrator/deployments.ts";
import { type OurFleet, startOurFleet } from "./our-fleet.ts";
import { type PublicClient, startPublicClient } from "./public-client.ts";
import { eventually } from "./waiting.ts";

/** A harmless model with every kind of answer, its base class, and where that is. */
export const behaviour: string = join(import.meta.dirname, "models/behaviour.py");
export const BASE = "goldbase.core.Base";
export const packages: readonly string[] = [fixture("packages")];

/** Waits until the orchestrator has them all running. */
export const running = (fleet: OurFleet, ids: readonly string[]): Promise<readonly DeploymentInfo[]> =>
  eventually(
    () => fleet.orchestrator.info().models,
    (models) => ids.every((id) => models.some(({ modelId, state }) => modelId === id && state === "RUNNING")),
  );

/** Waits until the public client knows exactly these. */
export const known = (client: PublicClient, ids: readonly string[]): Promise<unknown> =>
  eventually(
    async () => (await client.models()).map(({ model_id }) => model_id).toSorted(),
    (models) => models.join() === ids.toSorted().join(),
  );

/** Our orchestrator and runner with the public client on the other side. */
export interface PublicSession extends AsyncDisposable {
  readonly fleet: OurFleet;
  readonly client: PublicClient;
}

/** Models of these ids, all `behaviour`, known to the client when it resolves. */
export async function startPublicSession(
  python: string,
  ids: readonly string[],
  limits: { maxFailures?: number; maxTimeouts?: number } = {},
): Promise<PublicSession> {
  const fleet = await startOurFleet({ models: Object.fromEntries(ids.map((id) => [id, behaviour])), packages });
  await running(fleet, ids);
  const { port } = fleet.orchestrator;
  const client = await startPublicClient(python, { port, crunchId: CRUNCH, baseClassname: BASE, ...limits });
  await known(client, ids);
  return {
    fleet,
    client,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await fleet[Symbol.asyncDispose]();
    },
  };
}
