import type { SetupRequest, WireStatus } from "../protocol/messages.ts";
import type { DeploymentEvent } from "../protocol/orchestrator-messages.ts";
import type { ModelSecurity } from "../secure/client-security.ts";
import type { FleetConnection, FleetConnections } from "./fleet-connection.ts";
import { connectModel, type ModelConnection } from "./model-connection.ts";

const hostOf = ({ ip }: DeploymentEvent): string => (ip?.includes(":") ? `[${ip}]` : (ip ?? ""));
export const addressOf = (deployment: DeploymentEvent): string => `${hostOf(deployment)}:${deployment.port}`;
/** Where the runner serves many models at once; undefined: it does not. */
export const fleetAddressOf = (deployment: DeploymentEvent): string | undefined => {
  const port = deployment.almanac?.fleet_port;
  return port === undefined ? undefined : `${hostOf(deployment)}:${port}`;
};

/** How a lane reaches its model: over its public address, or over the connection that all models of its runner share. */
export type Link = {
  ready(timeoutMs: number): Promise<void>;
  /** The runner's status, or what gRPC said. */
  setup(timeoutMs: number): Promise<WireStatus>;
  close(): void;
} & (
  | { readonly kind: "public"; readonly model: ModelConnection }
  | { readonly kind: "fleet"; readonly fleet: FleetConnection }
);

/** Not connected yet: see `ready`. */
export function openLink(
  deployment: DeploymentEvent,
  setup: { readonly request: SetupRequest; readonly bytes: Buffer },
  fleets: FleetConnections | undefined,
  security?: ModelSecurity,
): Link {
  const address = fleetAddressOf(deployment);
  // A model that has to prove itself does so on a connection of its own.
  if (security !== undefined || fleets === undefined || address === undefined) {
    const model = connectModel(addressOf(deployment), security);
    return {
      kind: "public",
      model,
      ready: model.ready,
      setup: (ms) => model.setup(setup.bytes, ms),
      close: model.close,
    };
  }
  const fleet = fleets.take(address);
  let isOpen = true;
  return {
    kind: "fleet",
    fleet,
    ready: fleet.ready,
    setup: (ms) => fleet.setup(deployment.deployment_id, setup.request, ms),
    close() {
      if (isOpen) fleets.release(address);
      isOpen = false;
    },
  };
}
