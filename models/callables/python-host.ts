import { mkdir, readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Logger } from "pino";
import {
  type Box,
  type BoxFolders,
  boxedLaunch,
  findBox,
  levelName,
  modelUid,
  type SandboxMode,
} from "../runner/box.ts";
import { INSIDE } from "../runner/box-levels.ts";
import { findInterpreters } from "../runner/python.ts";
import { createStaging, type Staging } from "../runner/staging.ts";
import { startCallableProcess } from "./callable-process.ts";
import { keepCallable, type PythonCallable } from "./python-callable.ts";

/** Where a Python callable is. */
export interface PythonPlace {
  /** folder that its module is imported from */
  readonly root: string;
  /** folders of packages that it may import beside that */
  readonly packages: readonly string[];
  readonly module: string;
  readonly name: string;
}

/** Opens Python callables of the competition, each in a boxed process of its own. */
export interface PythonHost extends AsyncDisposable {
  /** @throws Error naming what was looked for, where, and what Python said */
  open(place: PythonPlace): Promise<PythonCallable>;
}

/** Accounts of callables begin here; those of models count up from the first. */
const FIRST_SLOT = 4_000;

/** Nothing is started, and no interpreter looked for, before the first callable is opened. */
export function createPythonHost(options: {
  python: string;
  sandbox: SandboxMode;
  /** copies of the competition's files are kept here, readable for the box's account; named by the process id, and gone with the host */
  stateDir: string;
  limitMs: number;
  logger: Logger;
}): PythonHost {
  const { limitMs, logger } = options;
  const opened: PythonCallable[] = [];
  let ground: Promise<{ box: Box; staging: Staging }> | undefined;

  async function prepare(): Promise<{ box: Box; staging: Staging }> {
    const interpreters = await findInterpreters(options.python);
    await mkdir(options.stateDir, { recursive: true });
    await removeLeftovers(options.stateDir);
    const staging = await createStaging(options.stateDir);
    const probe = await staging.stage("probe", { code: staging.host, packages: [] }, modelUid(0));
    const box = await findBox(options.sandbox, interpreters, probe);
    logger.info({ sandbox: levelName(box), python: box.interpreter.executable }, "Python callables are boxed");
    return { box, staging };
  }

  return {
    async open(place) {
      ground ??= prepare();
      const { box, staging } = await ground;
      const slot = FIRST_SLOT + opened.length;
      const from = { code: place.root, packages: place.packages };
      const folders = await staging.stage(`${slot}:${place.module}:${place.name}`, from, modelUid(slot));
      const launch = () => boxedLaunch(box, slot, folders, program(box, folders, place, limitMs));
      const start = () => startCallableProcess(launch());
      const first = await start().catch((error: Error) => {
        throw new Error(
          `${place.module}:${place.name} cannot be used: ${error.message} (looked for below ${[place.root, ...place.packages].join(", ")})`,
          { cause: error },
        );
      });
      const callable = keepCallable(first, {
        start,
        limitMs,
        logger: logger.child({ callable: `${place.module}:${place.name}` }),
      });
      opened.push(callable);
      return callable;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((callable) => callable.close()));
      const made = await ground?.catch(() => undefined);
      await made?.staging.remove();
      await rm(options.stateDir, { recursive: true, force: true });
    },
  };
}

/** Folders beside this one are named by the process that made them; one that was killed left its copies behind. */
async function removeLeftovers(own: string): Promise<void> {
  const parent = dirname(own);
  for (const name of await readdir(parent)) {
    if (!/^\d+$/.test(name) || name === basename(own) || isAlive(Number(name))) continue;
    await (await createStaging(join(parent, name))).remove();
    await rm(join(parent, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function program({ level, interpreter }: Box, folders: BoxFolders, { module, name }: PythonPlace, limitMs: number) {
  const seen = level === "none" ? folders : INSIDE;
  const args = [seen.code, seen.packages, JSON.stringify(interpreter.site), module, name, String(Math.ceil(limitMs))];
  return {
    argv: [interpreter.executable, "-I", "-S", "-B", join(seen.host, "host_callable.py"), ...args],
    needs: interpreter.prefixes.filter((prefix) => prefix !== "/usr" && !prefix.startsWith("/usr/")),
    searchPath: interpreter.searchPath,
    addressSpaceLimit: true,
    python: interpreter.executable,
  };
}
