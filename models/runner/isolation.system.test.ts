import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { example, fixture, quiet, until } from "../fixtures/test-fleet.ts";
import { readJson } from "../protocol/json-read.ts";
import { encodeVariant } from "../protocol/variant.ts";
import { type Box, type BoxFolders, type Launch, levelName, modelUid } from "./box.ts";
import { HOST_ENV } from "./box-levels.ts";
import { submissionLaunch } from "./host-program.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { createModelHost, type ModelHost } from "./model-host.ts";
import { findInterpreters, type Interpreter } from "./python.ts";
import { createWatchdog, findResourceWatch, type ResourceWatch } from "./resource-watch.ts";
import { createStaging, type Staging } from "./staging.ts";

/** Number of probes; raise it with each new one. */
const PROBES = 68;
const PLAIN_UID = 61_000;
const SLOT = 41;
const CANARY = `canary-${randomUUID()}`;
const isRoot = process.getuid?.() === 0;

interface Finding {
  name: string;
  broke: boolean;
  detail: string;
}
/** A box to try: `plain` is as the node's account would be without root. */
interface Case {
  name: string;
  level: "bwrap" | "unshare";
  plain: boolean;
  watch: "cgroup" | "watchdog";
}
const CASES: Case[] = [
  ...(isRoot
    ? ([
        { name: "bwrap, root", level: "bwrap", plain: false, watch: "cgroup" },
        { name: "unshare, root", level: "unshare", plain: false, watch: "cgroup" },
      ] as const)
    : []),
  { name: "bwrap, plain account", level: "bwrap", plain: true, watch: "watchdog" },
  { name: "unshare, plain account", level: "unshare", plain: true, watch: "watchdog" },
];

let state: string;
let staging: Staging;
let interpreter: Interpreter;
let cgroups: ResourceWatch;
let servers: Server[];
let facts: Record<string, unknown>;
beforeAll(async () => {
  process.env.ALMANAC_CANARY = CANARY;
  state = mkdtempSync(join(tmpdir(), "almanac-isolation-"));
  chmodSync(state, 0o755);
  staging = await createStaging(state);
  const interpreters = await findInterpreters("python3");
  const reachable = interpreters.find(({ executable }) => !isRoot || executable.startsWith("/usr/"));
  if (!reachable) throw new Error("no Python that other accounts can run; install python3");
  interpreter = reachable;
  cgroups = (await findResourceWatch(DEFAULT_LIMITS)).watch;
  facts = await plantFacts();
});
afterAll(async () => {
  for (const server of servers) server.close();
  await staging.remove();
  rmSync(state, { recursive: true, force: true });
  delete process.env.ALMANAC_CANARY;
});

/** What there is to find outside: readable for every account, so that only the box hides it. */
async function plantFacts(): Promise<Record<string, unknown>> {
  const keyFile = join(state, "node-key.json");
  writeFileSync(keyFile, CANARY, { mode: 0o644 });
  const stateFolder = join(state, ".almanac");
  mkdirSync(stateFolder);
  const other = await staging.stage("other", { code: fixture("zoo.py"), packages: [] }, modelUid(SLOT + 1));
  const abstractSocket = `almanac-probe-${randomUUID()}`;
  const socketFile = join(state, "node.sock");
  const tcp = await listen({ port: 0, host: "127.0.0.1" });
  servers = [tcp, await listen(`\0${abstractSocket}`), await listen(socketFile)];
  chmodSync(socketFile, 0o777);
  return {
    ...DEFAULT_LIMITS,
    port: (tcp.address() as { port: number }).port,
    ...{ abstractSocket, socketFile, keyFile, stateFolder },
    otherModel: other.code,
    nodeFolder: resolve(import.meta.dirname, "../.."),
    nodePid: process.pid,
    nodeUid: process.getuid?.() ?? 0,
    canary: CANARY,
    environment: [...Object.keys(HOST_ENV), "PWD", "LC_CTYPE"],
  };
}

const listen = (where: string | { port: number; host: string }) =>
  new Promise<Server>((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", reject).listen(where, () => resolve(server));
  });

/** A host with the probes in it, in a real box; the account of its own as root gives it, or as any account has it. */
async function withHost<T>(
  { level, plain, watch }: Case,
  { seccomp, skip }: { seccomp: boolean; skip: (why: string) => void },
  use: (host: ModelHost, box: Box) => Promise<T>,
): Promise<T> {
  const uid = plain && isRoot ? PLAIN_UID : undefined;
  const submission = { code: fixture("probes"), packages: [example("..")] };
  const folders: BoxFolders = await staging.stage(`${level}-${plain}`, submission, uid ?? modelUid(SLOT));
  const watching = watch === "cgroup" ? cgroups : createWatchdog(DEFAULT_LIMITS);
  const box: Box = { level, seccomp, interpreter, tried: [], accounts: !plain, watch: watching };
  const launch = (): Launch => ({
    ...submissionLaunch("python", box, SLOT, folders),
    ...(uid === undefined ? {} : { uid }),
  });
  const host = createModelHost({ launch, logger: quiet, onChange: () => undefined });
  try {
    await until(
      () => host.state(),
      (now) => now === "READY",
      60_000,
    ).catch(() => {
      const why = `${level} does not work on this machine: ${host.reason()} ${host.log.text()}`;
      if (process.env.CI) throw new Error(why);
      skip(why);
    });
    const [set] = await host.run("SETUP", [{ name: "tracker.TrackerBase", args: [], kwargs: [] }], 60_000);
    expect(set?.code, set?.value.toString()).toBe(0);
    return await use(host, box);
  } finally {
    await host.stop();
  }
}

async function ask(host: ModelHost, subject: string, more: object = {}): Promise<unknown> {
  const args = [encodeVariant("STRING", subject), encodeVariant("JSON", { ...facts, ...more })];
  const [answer] = await host.run("BATCH", [{ name: "predict", args, kwargs: [] }], 120_000);
  if (answer?.code !== 0) throw new Error(`${subject}: ${answer?.code} ${answer?.value}`);
  return readJson(answer.value);
}

async function probeAll(host: ModelHost, more: object = {}): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const name of (await ask(host, "names")) as string[]) findings.push((await ask(host, name, more)) as Finding);
  return findings;
}

// What was in force and what was tried, for .ci/run to print.
const probed: string[] = [];
afterAll(() => {
  for (const line of probed) console.log(line);
  if (probed.length === 0) return;
  const folder = resolve(import.meta.dirname, "../../.almanac/figures");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "sandbox.txt"), `${probed.join("\n")}\n`);
});

describe.each(CASES)("$name", (each) => {
  test("a model gets out by none of the probes", async ({ skip }) => {
    await withHost(each, { seccomp: true, skip }, async (host, box) => {
      const findings = await probeAll(host);
      probed.push(`sandbox: level ${levelName(box)} (${each.name}), ${findings.length} probes`);
      expect(findings.filter(({ broke }) => broke)).toEqual([]);
      expect(findings.length).toBe(PROBES);
      expect(host.incarnation(), "a probe ended the host").toBe(1);
    });
  });

  test("memory of all its processes together is bounded, and the reason can be read", async ({ skip }) => {
    await withHost(each, { seccomp: true, skip }, async (host) => {
      await expect(ask(host, "fill_memory")).rejects.toThrow(/used more than 1024 MiB of memory/);
    });
  });
});

describe("the probes themselves", () => {
  const control = CASES[0] as Case;

  test("see what is missing where system calls are not filtered", async ({ skip }) => {
    await withHost(control, { seccomp: false, skip }, async (host) => {
      const broke = (await probeAll(host)).filter((finding) => finding.broke).map(({ name }) => name);
      expect(broke).toEqual(
        expect.arrayContaining([
          ...["tcp_socket", "tcp6_socket", "udp_socket", "netlink_socket", "seccomp_in_force", "ptrace"],
          ...["process_memory", "personality", "typed_input", "memory_outside_of_processes", "keyring"],
        ]),
      );
      expect(broke).not.toContain("nodes_port");
    });
  });

  test("see what they are shown", async ({ skip }) => {
    const own = "/almanac/code";
    const shown = { keyFile: `${own}/main.py`, nodeFolder: own, stateFolder: own, otherModel: own, nodePid: 1 };
    const strict = { environment: [], canary: "TMPDIR", processes: 3, openFiles: 8, tmpMiB: 4, fileSizeMiB: 1 };
    await withHost(control, { seccomp: true, skip }, async (host) => {
      const broke = (await probeAll(host, { ...shown, ...strict })).filter((finding) => finding.broke);
      expect(broke.map(({ name }) => name)).toEqual(
        expect.arrayContaining([
          ...["key_file", "nodes_folder", "state_folder", "other_model", "signal_node", "own_environment"],
          ...["environments", "processes", "threads", "open_files", "disk", "shared_memory_files", "size_of_a_file"],
        ]),
      );
    });
  });
});
