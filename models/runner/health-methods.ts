import { status as grpcStatus } from "@grpc/grpc-js";
import { HEALTH } from "../protocol/messages.ts";
import { type Follower, followed, type Method, unary } from "./rpc.ts";

const STATUS = { SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;
interface HealthRequest {
  service: string;
}

/** Health of one model, as methods. */
export interface HealthMethods {
  readonly methods: readonly Method[];
  /** Tells those who follow that it may have changed. */
  changed(): void;
  /** No more will be said to them. */
  end(): void;
}

/**
 * grpc.health.v1 for one model: SERVING while it takes calls. The empty name means the whole, as do the services' own names.
 */
export function healthMethods(services: readonly string[], isServing: () => boolean): HealthMethods {
  const names = new Set(["", HEALTH, ...services]);
  /** with what tells each the latest state, unless it still has to read an earlier one */
  const followers = new Map<Follower, () => void>();
  const now = () => ({ status: isServing() ? STATUS.SERVING : STATUS.NOT_SERVING });
  const check = unary<HealthRequest>(HEALTH, "Check", ({ service }) =>
    names.has(service)
      ? { response: now() }
      : { error: { code: grpcStatus.NOT_FOUND, details: `unknown service ${service.slice(0, 200)}` } },
  );
  const watch = followed<HealthRequest>(HEALTH, "Watch", ({ service }, follower) => {
    if (!names.has(service)) {
      follower.send({ status: STATUS.SERVICE_UNKNOWN });
      return undefined;
    }
    let isSlow = false;
    const tell = () => {
      isSlow = !follower.send(now());
    };
    followers.set(follower, () => !isSlow && tell());
    follower.onDrain(tell);
    follower.onClose(() => followers.delete(follower));
    tell();
    return undefined;
  });
  return {
    methods: [check, watch],
    changed() {
      for (const tell of followers.values()) tell();
    },
    end() {
      for (const follower of followers.keys()) follower.end();
    },
  };
}
