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
  const followers = new Set<Follower>();
  const now = () => ({ status: isServing() ? STATUS.SERVING : STATUS.NOT_SERVING });
  const check = unary<HealthRequest>(HEALTH, "Check", ({ service }) =>
    names.has(service)
      ? { response: now() }
      : { error: { code: grpcStatus.NOT_FOUND, details: `unknown service ${service.slice(0, 200)}` } },
  );
  const watch = followed<HealthRequest>(HEALTH, "Watch", ({ service }, follower) => {
    if (!names.has(service)) return follower.send({ status: STATUS.SERVICE_UNKNOWN });
    followers.add(follower);
    follower.onClose(() => followers.delete(follower));
    follower.send(now());
  });
  return {
    methods: [check, watch],
    changed() {
      for (const follower of followers) follower.send(now());
    },
    end() {
      for (const follower of followers) follower.end();
    },
  };
}
