import Fastify, { type FastifyInstance } from "fastify";
import { z } from "zod";
import { METHOD_NOT_FOUND, RpcError } from "./errors.ts";
import type { Ledger } from "./ledger.ts";
import { createMethods, signatureOf } from "./methods.ts";

const INTERNAL_ERROR = -32603;
const INVALID_REQUEST = -32600;
const BODY_LIMIT_BYTES = 1 << 20;
const MAX_BATCH = 100;

const request = z.object({ id: z.unknown(), method: z.string(), params: z.array(z.unknown()).default([]) });
const faultSettings = z.object({
  /** so many sends answer with a signature and broadcast nothing */
  dropSend: z.number().int().min(0),
  /** so many sends land and answer 504 */
  acceptThenTimeout: z.number().int().min(0),
  /** so many requests answer 503 */
  error5xx: z.number().int().min(0),
  /** so many statuses read as unknown */
  hideSignatures: z.number().int().min(0),
  /** slots that reads are behind */
  lag: z.number().int().min(0),
  /** no history at all */
  pruned: z.boolean(),
});
type Faults = z.output<typeof faultSettings>;

class GatewayTimeout extends Error {}

export interface ServerOptions {
  /** offers /dev/*: slots, forks and faults at will; tests only */
  dev: boolean;
}

/** JSON-RPC over HTTP for one ledger. The caller listens (loopback only) and closes. */
export function buildServer(ledger: Ledger, { dev }: ServerOptions): FastifyInstance {
  const app = Fastify({ bodyLimit: BODY_LIMIT_BYTES });
  const faults: Faults = { dropSend: 0, acceptThenTimeout: 0, error5xx: 0, hideSignatures: 0, lag: 0, pruned: false };
  const methods = createMethods(ledger, faults);
  const call = (method: string, params: readonly unknown[]): unknown => {
    if (method !== "sendTransaction") return methods[method]!(params);
    if (take(faults, "dropSend")) return signatureOf(params);
    const signature = methods.sendTransaction!(params);
    if (take(faults, "acceptThenTimeout")) throw new GatewayTimeout("gateway timeout");
    return signature;
  };
  const answer = (body: unknown) => {
    const parsed = request.safeParse(body);
    if (!parsed.success) return failure(null, new RpcError(INVALID_REQUEST, "Invalid request"));
    const { id, method, params } = parsed.data;
    if (!Object.hasOwn(methods, method))
      return failure(id, new RpcError(METHOD_NOT_FOUND, `Method not found: ${method}`));
    try {
      return { jsonrpc: "2.0", id, result: call(method, params) };
    } catch (error) {
      if (error instanceof GatewayTimeout) throw error;
      return failure(id, error instanceof RpcError ? error : new RpcError(INTERNAL_ERROR, String(error)));
    }
  };
  app.post("/", async ({ body }, reply) => {
    if (take(faults, "error5xx")) return reply.code(503).send("unavailable");
    try {
      return Array.isArray(body) ? body.slice(0, MAX_BATCH).map(answer) : answer(body);
    } catch (error) {
      if (error instanceof GatewayTimeout) return reply.code(504).send("gateway timeout");
      throw error;
    }
  });
  app.get("/health", async () => ({
    status: "ok",
    network: "LOCAL",
    genesis: ledger.genesis,
    slot: ledger.clock.slot(),
  }));
  if (dev) addDevRoutes(app, ledger, faults);
  return app;
}

function addDevRoutes(app: FastifyInstance, ledger: Ledger, faults: Faults): void {
  const slots = z.object({ n: z.number().int().min(0).default(1) });
  app.post("/dev/tick", async ({ body }) => {
    ledger.skip(slots.parse(body ?? {}).n);
    return { slot: ledger.clock.slot() };
  });
  app.post("/dev/rollback", async ({ body }) => {
    ledger.rollback(z.object({ slot: z.number().int() }).parse(body).slot);
    return { slot: ledger.clock.slot() };
  });
  app.post("/dev/faults", async ({ body }) => Object.assign(faults, faultSettings.partial().parse(body)));
}

/** Uses up one of a fault that strikes so many times. */
function take(faults: Faults, name: "dropSend" | "acceptThenTimeout" | "error5xx"): boolean {
  if (faults[name] === 0) return false;
  faults[name]--;
  return true;
}

const failure = (id: unknown, { code, message, data }: RpcError) => ({
  jsonrpc: "2.0",
  id: id ?? null,
  error: data === undefined ? { code, message } : { code, message, data },
});
