import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type WebSocket, WebSocketServer } from "ws";

interface Entry {
  deployment_id: string;
  model_id: string;
  infos: { model_name: string; cruncher_id: string; cruncher_name: string };
  state: string;
  ip: string;
  port: number;
}
/** A model that the double announces; ports are on loopback. */
export interface Announced {
  readonly id: string;
  readonly port: number;
  readonly deployment?: string;
  readonly state?: "RUNNING" | "RECOVERING" | "STOPPED";
}
/** Says what the public orchestrator says, to both clients, and keeps what they report. */
export interface OrchestratorDouble extends AsyncDisposable {
  readonly port: number;
  /** Texts that clients sent, oldest first. */
  readonly heard: string[];
  /** Changes what new clients are told, and tells those that are connected. */
  tell(...models: Announced[]): void;
  /** Cuts every connection, as a restart would. */
  drop(): void;
}

const folder = process.env.VECTORS_DIR ?? join(import.meta.dirname, "../vectors");
const recorded = JSON.parse(readFileSync(join(folder, "orchestrator-messages.json"), "utf8")) as {
  cases: { name: string; expected: { orchestrator?: { text?: string } } }[];
};
/** A recorded text of the real orchestrator; only names and addresses are replaced. */
const recordedText = (name: string): string => {
  const text = recorded.cases.find((c) => c.name === name)?.expected.orchestrator?.text;
  if (text === undefined) throw new Error(`orchestrator-messages.json has no text for ${name}`);
  return text;
};
const template = JSON.parse(recordedText("server-init/one")).data[0] as Entry;

const entryOf = ({ id, port, deployment = `${id}_20260101_000000_001`, state = "RUNNING" }: Announced): Entry => ({
  ...structuredClone(template),
  deployment_id: deployment,
  model_id: id,
  infos: {
    ...template.infos,
    model_name: `name-${id}`,
    cruncher_id: `cruncher-${id}`,
    cruncher_name: `Cruncher ${id}`,
  },
  state,
  ip: "127.0.0.1",
  port,
});

export async function startOrchestratorDouble(first: readonly Announced[]): Promise<OrchestratorDouble> {
  const entries = new Map(first.map((model) => [model.id, entryOf(model)]));
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  const heard: string[] = [];
  const send = (socket: WebSocket, event: "init" | "update", data: readonly Entry[]) => {
    const shape = JSON.parse(recordedText(event === "init" ? "server-init/one" : "server-update/RUNNING"));
    socket.send(JSON.stringify({ ...shape, data }));
  };
  server.on("connection", (socket) => {
    socket.on("message", (data) => heard.push(String(data)));
    send(
      socket,
      "init",
      [...entries.values()].filter(({ state }) => state !== "STOPPED"),
    );
  });
  return {
    port: (server.address() as AddressInfo).port,
    heard,
    tell(...models) {
      const changed = models.map(entryOf);
      for (const entry of changed) entries.set(entry.model_id, entry);
      for (const socket of server.clients) send(socket, "update", changed);
    },
    drop() {
      for (const socket of server.clients) socket.terminate();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
