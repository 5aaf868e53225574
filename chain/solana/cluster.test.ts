import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { type Network, openCluster } from "./cluster.ts";

const MAINNET = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d";
const OWN = "4sGjMW1sUnHzSxGspuhpqLDx6wiyjNtZAMdL4VZHirAn";
const closes: (() => void)[] = [];
afterEach(() => {
  for (const close of closes.splice(0)) close();
});

/** An endpoint that answers every question with this genesis hash, once it is up. */
async function endpoint(genesis: string, downFor = 0): Promise<string> {
  let down = downFor;
  const server = createServer((_, response) =>
    down-- > 0
      ? response.writeHead(500).end()
      : response.end(JSON.stringify({ jsonrpc: "2.0", id: "1", result: genesis })),
  );
  await new Promise<void>((up) => server.listen(0, "127.0.0.1", up));
  closes.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const open = async (genesis: string, network: Network) =>
  openCluster({ rpcUrl: await endpoint(genesis), network, timeoutMs: 5_000 }).genesis();

test.each(["LOCAL", "DEVNET", "TESTNET"] as const)(
  "%s on the main network is refused: nothing approves itself there",
  async (network) => {
    await expect(open(MAINNET, network)).rejects.toMatchObject({
      code: "WRONG_GENESIS",
      message: expect.stringContaining(`NETWORK is ${network}, and SOLANA_RPC_URL leads to MAINNET`),
    });
  },
);
test("a cluster under its own name, and one that nobody knows, are taken", async () => {
  expect(await open(MAINNET, "MAINNET")).toBe(MAINNET);
  for (const network of ["LOCAL", "TESTNET"] as const) expect(await open(OWN, network)).toBe(OWN);
});
test("an error is asked again, an answer is kept", async () => {
  const { genesis } = openCluster({ rpcUrl: await endpoint(OWN, 1), timeoutMs: 5_000 });
  await expect(genesis()).rejects.toMatchObject({ code: "UNREACHABLE" });
  expect(await genesis()).toBe(OWN);
  for (const close of closes.splice(0)) close();
  expect(await genesis()).toBe(OWN);
});
