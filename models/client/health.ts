import { HEALTH, messageType } from "../protocol/messages.ts";
import type { ModelSecurity } from "../secure/client-security.ts";
import { CHANNEL } from "./channel.ts";
import { plainChannel } from "./plain-channel.ts";

const SERVING = 1;
const PROBE_MS = 5_000;
const request = messageType<{ service: string }>("grpc.health.v1.HealthCheckRequest").serialize({ service: "" });
const response = messageType<{ status: number }>("grpc.health.v1.HealthCheckResponse");

/** UNREACHABLE: nobody there, or nobody who answers. */
export type Health = "SERVING" | "NOT_SERVING" | "UNREACHABLE";

/** Asks over a channel of its own, so that a stuck connection is told from a stuck model. Never rejects. */
export async function askHealth(address: string, security?: ModelSecurity, timeoutMs = PROBE_MS): Promise<Health> {
  const channel = security ? security(address, CHANNEL) : plainChannel(address, CHANNEL);
  try {
    const answer = await channel.unary({
      path: `/${HEALTH}/Check`,
      bytes: request,
      parse: response.deserialize,
      deadlineAt: Date.now() + timeoutMs,
    });
    return answer.response.status === SERVING ? "SERVING" : "NOT_SERVING";
  } catch {
    return "UNREACHABLE";
  } finally {
    channel.close();
  }
}
