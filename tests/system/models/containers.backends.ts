import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pino } from "pino";
import { example, quiet } from "../../../models/fixtures/test-fleet.ts";
import { type BoxFolders, findBox, modelUid } from "../../../models/runner/box.ts";
import type { ContainerLimits } from "../../../models/runner/container.ts";
import { type ContainerHosts, createContainerHosts } from "../../../models/runner/container-host.ts";
import { submissionLaunch } from "../../../models/runner/host-program.ts";
import { createModelHost, type ModelHost, type StartHost } from "../../../models/runner/model-host.ts";
import { findInterpreters, type Interpreter } from "../../../models/runner/python.ts";
import { createStaging } from "../../../models/runner/staging.ts";
import type { BackEnd } from "./containers.contract.ts";
import type { TestEngine } from "./containers.engine.ts";

const SLOT = 50;

/** Copies of models for both back ends, in a folder of their own. */
export interface Models extends AsyncDisposable {
  readonly folder: string;
  stage(code: string, slot?: number): Promise<BoxFolders>;
}
export async function stageModels(): Promise<Models> {
  const folder = await mkdtemp(join(tmpdir(), "almanac-hosts-"));
  const staging = await createStaging(folder);
  let number = 0;
  return {
    folder,
    stage: (code, slot = SLOT) =>
      staging.stage(`model-${number++}`, { code, packages: [example("..")] }, modelUid(slot)),
    async [Symbol.asyncDispose]() {
      await staging.remove();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

const inUsr = ({ executable }: Interpreter) => executable.startsWith("/usr/");

/** Processes of this machine in the strongest box that works here. */
export async function processBackEnd(): Promise<BackEnd> {
  const models = await stageModels();
  const probe = await models.stage(join(import.meta.dirname, "inside.py"), 0); // looked at by the first account
  // One below a home folder would show that folder's name in the box.
  const system = (await findInterpreters("python3")).toSorted((a, b) => Number(inUsr(b)) - Number(inUsr(a)));
  const box = await findBox("auto", system, probe);
  return {
    async host(code) {
      const folders = await models.stage(code);
      const launch = () => submissionLaunch("python", box, SLOT, folders);
      return createModelHost({ launch, logger: quiet, onChange: () => undefined });
    },
    [Symbol.asyncDispose]: () => models[Symbol.asyncDispose](),
  };
}

export interface ContainerBackEnd extends BackEnd {
  readonly hosts: ContainerHosts;
  readonly models: Models;
  /** what was logged as an error */
  readonly errors: readonly string[];
  /** A host for a submission in JavaScript, just started. */
  javascript(code: string): Promise<ModelHost>;
}
/** Containers of the test engine. */
export async function containerBackEnd(
  engine: TestEngine,
  options: { runner?: string; limits?: Partial<ContainerLimits> } = {},
): Promise<ContainerBackEnd> {
  const models = await stageModels();
  const errors: string[] = [];
  const hosts = await createContainerHosts({
    engine: `unix://${engine.socket}`,
    image: engine.image,
    runner: "contract",
    folder: join(models.folder, "channels"),
    logger: pino({ level: "error" }, { write: (line) => errors.push(line) }),
    ...options,
  });
  return {
    hosts,
    models,
    errors,
    async host(code) {
      const folders = await models.stage(code);
      return containerHost((log, events) => hosts.start(folders, log, events));
    },
    async javascript(code) {
      const folders = { ...(await models.stage(code)), more: [dirname(process.execPath)] };
      return containerHost((log, events) => hosts.start(folders, log, events, { kind: "javascript" }));
    },
    [Symbol.asyncDispose]: () => models[Symbol.asyncDispose](),
  };
}

const containerHost = (start: StartHost): ModelHost =>
  createModelHost({ start, logger: quiet, onChange: () => undefined });
