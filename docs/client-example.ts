// Calls every model of a running orchestrator once: node docs/client-example.ts <host> <port> <crunch id>
import { createClient } from "almanac";

const [host = "127.0.0.1", port = "9091", crunchId = "starter-challenge"] = process.argv.slice(2);
await using client = createClient({
  host,
  port: Number(port),
  crunchId,
  baseClassname: "tracker.TrackerBase",
  callTimeoutMs: 5_000,
});
await client.init();
await client.settled(10_000);
const candles = Array.from({ length: 30 }, (_, i) => ({ ts: i, close: 100 + i }));
await client.call({ method: "tick", arguments: [{ type: "JSON", value: { symbol: "BTC", candles_1m: candles } }] });
const question = [{ type: "STRING", value: "BTC" } as const, { type: "INT", value: 60 } as const];
for (const { model_id, status, output, exec_time_us, detail } of await client.call({
  method: "predict",
  arguments: question,
}))
  console.log(model_id, status, JSON.stringify(output), `${exec_time_us} µs`, detail ?? "");
