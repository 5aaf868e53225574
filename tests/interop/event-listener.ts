import { once } from "node:events";
import { WebSocket } from "ws";
import { CRUNCH } from "../../models/fixtures/test-fleet.ts";
import { serverEvent } from "../../models/protocol/orchestrator-messages.ts";

/** What our orchestrator tells any client, written down as `<model> <state>`. */
export async function listenTo(port: number): Promise<{ readonly states: string[] } & Disposable> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${CRUNCH}`);
  const states: string[] = [];
  socket.on("message", (text) => {
    const data = serverEvent.parse(JSON.parse(String(text))).data as { model_id: string; state: string }[];
    states.push(...data.map(({ model_id, state }) => `${model_id} ${state}`));
  });
  await once(socket, "open");
  return { states, [Symbol.dispose]: () => socket.terminate() };
}
