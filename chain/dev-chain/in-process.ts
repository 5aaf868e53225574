import type { FastifyInstance } from "fastify";
import { createLedger, type Ledger } from "./ledger.ts";
import { buildServer } from "./server.ts";
import { fileStore, memoryStore } from "./store.ts";

export interface InProcessChain {
  url: string;
  ledger: Ledger;
  /** the endpoint itself: another one over the same ledger has faults of its own */
  app: FastifyInstance;
  /** sets faults, see faults.ts */
  fault(faults: Record<string, number | boolean>): Promise<void>;
  close(): Promise<void>;
}

/** A dev chain inside this process on a free port, with its /dev routes: for tests. Without `dir` it is gone when closed. */
export async function openDevChain(
  options: { slotMs?: number; finalAfterSlots?: number; dir?: string } = {},
): Promise<InProcessChain> {
  const store = options.dir === undefined ? memoryStore : fileStore(options.dir);
  const ledger = createLedger({ store, slotMs: options.slotMs ?? 0, finalAfterSlots: options.finalAfterSlots ?? 4 });
  const app = buildServer(ledger, { dev: true });
  const url = await app.listen({ port: 0, host: "127.0.0.1" });
  return {
    url,
    ledger,
    app,
    fault: async (faults) => {
      await app.inject({ method: "POST", url: "/dev/faults", payload: faults });
    },
    close: () => app.close(),
  };
}
