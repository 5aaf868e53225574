import { join, resolve } from "node:path";
import { type Boot, type Found, logFile, runsWith, startedOrKept } from "./boot.ts";
import { chainArgs, chainPortIn, chainProblem, checkChosenChain, waitForChain } from "./chain.ts";
import { ensureSigningKey } from "./signing-key.ts";

type Chain = { rpcUrl: string };

/** The chain: SOLANA_RPC_URL, or the dev chain of this folder. */
export async function findChain(boot: Boot): Promise<Found<Chain>> {
  const { settings, supervisor, choosePort } = boot;
  const { config } = settings;
  const chosen = config.SOLANA_RPC_URL;
  if (chosen) {
    await checkChosenChain(chosen);
    return {
      earlier: undefined,
      open: async () => ({ rpcUrl: chosen, text: `SOLANA_RPC_URL (${new URL(chosen).host})` }),
    };
  }
  const timing = { slotMs: config.DEV_CHAIN_SLOT_MS, finalAfterSlots: config.DEV_CHAIN_FINAL_AFTER_SLOTS };
  const argsFor = (port: number) => chainArgs({ dir: supervisor.dir, port, ...timing });
  const recorded = supervisor.recorded().get("chain");
  const oldPort = chainPortIn(recorded);
  const same = recorded && oldPort && runsWith(recorded, argsFor(oldPort));
  const earlier = same && (await chainProblem(`http://127.0.0.1:${oldPort}`)) === undefined ? recorded : undefined;

  async function open() {
    const setting = "DEV_CHAIN_PORT";
    const wish = { setting, wanted: config[setting], explicit: settings.isExplicit(setting) };
    const port = (earlier && oldPort) || (await choosePort(wish));
    const rpcUrl = `http://127.0.0.1:${port}`;
    const spec = {
      name: "chain",
      command: process.execPath,
      args: argsFor(port),
      env: settings.env,
      log: logFile(boot, "chain"),
    };
    supervisor.start("servers", spec, earlier);
    await waitForChain(rpcUrl);
    return { rpcUrl, text: `local chain, port ${port}, ${startedOrKept(earlier)}` };
  }
  return { earlier, open };
}

/** The key that signs submissions: the user's, or on LOCAL one that is made here. */
export function signingKeyPath({ settings, supervisor }: Boot): string | undefined {
  const { SOLANA_KEYPAIR_PATH, NETWORK } = settings.config;
  if (SOLANA_KEYPAIR_PATH) return resolve(SOLANA_KEYPAIR_PATH);
  if (NETWORK !== "LOCAL") return undefined;
  const path = join(supervisor.dir, "keys", "submitter.json");
  ensureSigningKey(path);
  return path;
}
