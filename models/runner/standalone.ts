import { lstat, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Logger } from "pino";
import type { ServerSecurity } from "../secure/server-security.ts";
import { parseAddress, removeStaleSocket } from "./address.ts";
import { type Box, findBox, type InForce, inForce, modelUid, type SandboxMode } from "./box.ts";
import type { BoxFolders } from "./box-levels.ts";
import { startHostProcess } from "./host-process.ts";
import { type HostOptions, submissionLaunch } from "./host-program.ts";
import { submissionLanguage } from "./language.ts";
import { withLines } from "./log-lines.ts";
import { createModelHost } from "./model-host.ts";
import { createModelServer } from "./model-server.ts";
import { findInterpreters } from "./python.ts";
import { createStaging, reachable } from "./staging.ts";

const DRAIN_MS = 25_000;
/** Above the slots that an orchestrator's runner gives, so that accounts of models differ. */
const FIRST_SLOT = 500;
const SLOTS = 4500;
/** Where a model has a folder of its own in a box: what is mounted below from outside is not seen. */
const HIDDEN = ["/tmp/", "/dev/", "/proc/"];

export interface StandaloneOptions {
  /** host:port or unix:path */
  readonly address: string;
  /** folder of the submission */
  readonly codeDirectory: string;
  /** folders with the competition's packages; none: they are in the interpreter's own */
  readonly packages: readonly string[];
  /** read-only for the model; left out if it is not there */
  readonly resourceDirectory: string;
  readonly mainFile: string | undefined;
  readonly hasGpu: boolean;
  /** bytes of one message */
  readonly maxMessage: { readonly receive: number; readonly send: number };
  /** who may call the model; absent: whoever reaches the address */
  readonly security?: ReturnType<ServerSecurity["forModel"]> | undefined;
  readonly sandbox: SandboxMode;
  readonly python: string;
  readonly logger: Logger;
  /** what the model prints */
  readonly onModelLine: (line: string) => void;
}
/** One model, served. */
export interface Standalone {
  /** what a client connects to */
  readonly address: string;
  readonly sandbox: InForce;
  /** No new calls; resolves when the running ones are answered, or after 25 s, and everything is gone. */
  drain(): Promise<void>;
}

/**
 * Serves one submission in a box, as the public runner serves one in a container.
 * @throws Error naming the cause: no such folder, no language, no sandbox, an address in use
 */
export async function startStandalone(options: StandaloneOptions): Promise<Standalone> {
  const { logger } = options;
  const codeDirectory = resolve(options.codeDirectory);
  const { grpc, socketPath } = parseAddress(options.address);
  if (!(await isFolder(codeDirectory))) throw new Error(`The code directory ${codeDirectory} is no folder.`);
  const kind = await submissionLanguage(codeDirectory);
  if (socketPath) await removeStaleSocket(socketPath);
  const state = await mkdtemp(join(tmpdir(), "almanac-runner-"));
  const undo: (() => Promise<unknown>)[] = [() => rm(state, { recursive: true, force: true })];
  const undoAll = async () => {
    for (const step of undo.reverse()) await step();
  };
  try {
    const slot = FIRST_SLOT + (process.pid % SLOTS);
    const staging = await createStaging(state);
    undo.push(() => staging.remove());
    const staged = await staging.stage("model", { code: codeDirectory, packages: options.packages }, modelUid(slot));
    const probe = await staging.stage("probe", { code: staging.host, packages: [] }, modelUid(0));
    const box = await findBox(options.sandbox, await findInterpreters(options.python), probe);
    refuseOpenBox(box, options.sandbox);
    if (kind === "javascript" && box.level !== "none") await refuseHidden("Node", dirname(process.execPath));
    const resources = await resourceFolder(options, box);
    const folders: BoxFolders = { ...staged, ...(resources ? { more: [resources] } : {}) };
    const { mainFile, hasGpu } = options;
    const how: HostOptions = { mainFile, hasGpu, resourceDirectory: resources, site: [] };
    let changed: (() => void) | undefined;
    const host = createModelHost({
      start: (log, events) =>
        startHostProcess(submissionLaunch(kind, box, slot, folders, how), withLines(log, options.onModelLine), events),
      logger,
      onChange: () => changed?.(),
    });
    undo.push(() => host.stop());
    const server = await createModelServer({
      address: grpc,
      model: host,
      maxMessage: options.maxMessage,
      ...(options.security ? { security: options.security } : {}),
    });
    changed = server.changed;
    const address = socketPath ? grpc : grpc.replace(/:\d+$/, `:${server.port}`);
    logger.info({ address, language: kind, sandbox: inForce(box), tried: box.tried }, "runner listens");
    return {
      address,
      sandbox: inForce(box),
      async drain() {
        const late = setTimeout(() => server.close(), DRAIN_MS);
        await server.drain();
        clearTimeout(late);
        await undoAll();
        if (socketPath) await rm(socketPath, { force: true });
      },
    };
  } catch (error) {
    await undoAll();
    throw error;
  }
}

const isFolder = async (path: string): Promise<boolean> =>
  (await lstat(path).catch(() => undefined))?.isDirectory() ?? false;

function refuseOpenBox(box: Box, sandbox: SandboxMode): void {
  if (box.level === "none" && sandbox !== "none")
    throw new Error(
      `No sandbox works on this machine (${box.tried.join("; ")}). Install bubblewrap, or set SANDBOX=none for code that you trust.`,
    );
}

/** The folder of resources as the model sees it: at its own path. */
async function resourceFolder({ resourceDirectory, logger }: StandaloneOptions, box: Box): Promise<string | undefined> {
  const folder = resolve(resourceDirectory);
  if (!(await isFolder(folder))) {
    logger.info({ folder }, "no resource directory: the model gets none");
    return undefined;
  }
  if (box.level !== "none") {
    if (HIDDEN.some((prefix) => `${folder}/`.startsWith(prefix)))
      throw new Error(
        `The resource directory ${folder} lies where the model has a folder of its own. Move it elsewhere.`,
      );
    await refuseHidden("The resource directory", folder);
  }
  return folder;
}

async function refuseHidden(what: string, folder: string): Promise<void> {
  if (await reachable(folder)) return;
  throw new Error(
    `${what} ${folder} cannot be entered by the model's account. Move it, or open the folders above it (chmod o+x).`,
  );
}
