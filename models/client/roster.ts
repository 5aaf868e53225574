import type { Logger } from "pino";
import { type DeploymentEvent, deploymentEvent, serverEvent } from "../protocol/orchestrator-messages.ts";
import { cleanDetail } from "./fleet.ts";
import type { Lane } from "./lane.ts";

const SHOWN = 200;

/** Which models there are, as the orchestrator tells it. */
export interface Roster {
  /** by model id */
  readonly lanes: ReadonlyMap<string, Lane>;
  /** Takes a message of the orchestrator (JSON text, or the message itself); true when it held the whole state. What cannot be understood changes nothing. */
  take(message: unknown): boolean;
  close(): void;
}

export function createRoster(options: {
  logger: Logger;
  createLane: (deployment: DeploymentEvent) => Lane;
  onChange: () => void;
}): Roster {
  const { logger } = options;
  const lanes = new Map<string, Lane>();

  function remove(modelId: string): void {
    lanes.get(modelId)?.close();
    lanes.delete(modelId);
  }

  function follow(deployment: DeploymentEvent): void {
    const { model_id: id, deployment_id, state, ip, port } = deployment;
    const lane = lanes.get(id);
    // An old deployment that stops or stumbles after it was replaced is no news.
    const isCurrent = lane?.model().deploymentId === deployment_id;
    if (state === "STOPPED" && isCurrent) remove(id);
    else if (state === "RECOVERING" && isCurrent) lane.follow(deployment);
    else if (state === "RUNNING" && ip && port) {
      if (lane) lane.follow(deployment);
      else lanes.set(id, options.createLane(deployment));
    }
  }

  /** One bad entry must not lose the others. */
  function readEntries(data: readonly unknown[]): DeploymentEvent[] {
    return data.flatMap((entry) => {
      const parsed = deploymentEvent.safeParse(entry);
      if (parsed.success) return [parsed.data];
      const issue = parsed.error.issues[0];
      logger.warn({ problem: issue?.message, at: issue?.path.join(".") }, "entry of the orchestrator ignored");
      return [];
    });
  }

  return {
    lanes,
    take(given) {
      const message = serverEvent.safeParse(typeof given === "string" ? parseJson(given) : given);
      if (!message.success) {
        const text = typeof given === "string" ? given : JSON.stringify(given);
        logger.warn({ text: cleanDetail(text.slice(0, SHOWN)) }, "message of the orchestrator ignored");
        return false;
      }
      const isInit = message.data.event === "init";
      const deployments = readEntries(message.data.data);
      // The first message of a connection is the whole truth: what it does not name is gone, healthy lanes stay as they are.
      const named = new Set(deployments.map((deployment) => deployment.model_id));
      if (isInit) for (const id of [...lanes.keys()]) if (!named.has(id)) remove(id);
      deployments.forEach(follow);
      options.onChange();
      return isInit;
    },
    close() {
      for (const id of [...lanes.keys()]) remove(id);
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
