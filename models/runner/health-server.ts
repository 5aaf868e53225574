import {
  status as grpcStatus,
  type Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { HEALTH, service } from "../protocol/messages.ts";

const STATUS = { SERVING: 1, NOT_SERVING: 2, SERVICE_UNKNOWN: 3 } as const;
interface HealthRequest {
  service: string;
}
interface Health {
  status: number;
}

export interface HealthWatchers {
  /** Tells them that it may have changed. */
  changed(): void;
  /** No more will be said to them. */
  end(): void;
}

/**
 * grpc.health.v1 for one model: SERVING while it takes calls. The empty name means the whole, as do the services' own names.
 */
export function addHealth(server: Server, services: readonly string[], isServing: () => boolean): HealthWatchers {
  const names = new Set(["", HEALTH, ...services]);
  const watchers = new Set<ServerWritableStream<HealthRequest, Health>>();
  const now = (): Health => ({ status: isServing() ? STATUS.SERVING : STATUS.NOT_SERVING });
  const check = (call: ServerUnaryCall<HealthRequest, Health>, done: sendUnaryData<Health>) => {
    if (names.has(call.request.service)) return done(null, now());
    done({ code: grpcStatus.NOT_FOUND, details: `unknown service ${call.request.service.slice(0, 200)}` });
  };
  const watch = (stream: ServerWritableStream<HealthRequest, Health>) => {
    if (!names.has(stream.request.service)) return void stream.write({ status: STATUS.SERVICE_UNKNOWN });
    watchers.add(stream);
    stream.on("close", () => watchers.delete(stream));
    stream.write(now());
  };
  server.addService(service(HEALTH), { Check: check, Watch: watch });
  return {
    changed() {
      for (const stream of watchers) stream.write(now());
    },
    end() {
      for (const stream of watchers) stream.end();
    },
  };
}
