import type { Socket } from "node:net";
import { constants } from "node:os";
import { pipeline, type Readable } from "node:stream";
import { finished } from "node:stream/promises";
import type { Container } from "dockerode";
import type { Logger } from "pino";
import { z } from "zod";
import type { ContainerLimits } from "./container.ts";
import { type ContainerChannel, openContainerChannel } from "./container-channel.ts";
import { removeContainer } from "./container-engine.ts";
import { createOutputReader } from "./container-output.ts";
import { createFrameReader } from "./frames.ts";
import type { HostEvents, HostProcess } from "./host-process.ts";
import type { ModelLog } from "./log-drain.ts";

/** The engine's word on the exit says more than the closed channel, and comes later. */
const EXIT_GRACE_MS = 2_000;
/** What was printed last is worth this wait once the container is gone. */
const LAST_WORDS_MS = 1_000;
/** An engine that does not answer must not hold up the runner: this long after a kill it goes on. */
const KILL_PATIENCE_MS = 10_000;
/** Exit codes above are 128 + the signal. */
const SIGNALLED = 128;

const waited = z.object({ StatusCode: z.number().int() });
const inspected = z.object({ State: z.object({ OOMKilled: z.boolean() }) });

/** One run of a host in a container of its own, which is removed when it ends and when it is killed. */
export function runContainer(options: {
  /** where the channel's folder is made */
  readonly folder: string;
  readonly limits: ContainerLimits;
  readonly create: (channelFolder: string) => Promise<Container>;
  readonly log: ModelLog;
  readonly events: HostEvents;
  readonly logger: Logger;
}): HostProcess {
  const { log, events, logger } = options;
  const unsent: Buffer[] = [];
  let pipe: ContainerChannel | undefined;
  let socket: Socket | undefined;
  let container: Container | undefined;
  let output: Readable | undefined;
  let removing: Promise<void> | undefined;
  let killed = false;

  async function run(): Promise<void> {
    pipe = await openContainerChannel(options.folder);
    void pipe.connected.then(speak);
    if (killed) return;
    container = await options.create(pipe.folder);
    if (killed) return;
    output = (await container.attach({ stream: true, stdout: true, stderr: true })) as unknown as Readable;
    const printed = createOutputReader();
    pipeline(output, printed, () => undefined);
    log.drain(printed);
    if (killed) return;
    await container.start();
    events.end(await ending(container, options.limits));
  }

  function speak(connection: Socket): void {
    socket = connection;
    connection.on("data", createFrameReader(events.frame, events.oversize));
    connection.on("close", () => setTimeout(() => events.end("closed its pipe"), EXIT_GRACE_MS).unref());
    for (const frame of unsent.splice(0)) connection.write(frame);
  }

  const remove = () => {
    if (container) removing ??= removeContainer(container);
    return removing;
  };

  async function cleanUp(): Promise<void> {
    await remove()?.catch((error) => logger.error({ error, container: container?.id }, "a container was not removed"));
    await pipe?.close();
    if (output) await finished(output, { signal: AbortSignal.timeout(LAST_WORDS_MS) }).catch(() => undefined);
    output?.destroy();
  }

  const patience = Promise.withResolvers<void>();
  const finish = run()
    .catch((error: Error) => {
      if (!killed) events.end(`could not be run in a container: ${error.message}`);
    })
    .finally(cleanUp);
  return {
    write: (frame) => {
      if (socket) socket.write(frame);
      else unsent.push(frame);
    },
    kill: () => {
      if (killed) return;
      killed = true;
      setTimeout(patience.resolve, KILL_PATIENCE_MS).unref();
      void pipe?.close(); // ends the container from inside, also when the engine is slow
      void remove()?.catch(() => undefined); // reported by cleanUp
    },
    exited: Promise.race([finish, patience.promise]),
  };
}

async function ending(container: Container, limits: ContainerLimits): Promise<string> {
  const { StatusCode: code } = waited.parse(await container.wait());
  if (code <= SIGNALLED) return `exited with ${code}`;
  if (code !== SIGNALLED + constants.signals.SIGKILL) return `ended by ${signalName(code - SIGNALLED)}`;
  const above = `more than ${limits.memoryMiB} MiB of memory`;
  const { OOMKilled: certain } = inspected.parse(await container.inspect()).State;
  // Not every engine learns of it; nobody else sends this signal from outside.
  return certain ? `used ${above}` : `ended by SIGKILL, most likely for using ${above}`;
}

const signalName = (number: number): string =>
  Object.entries(constants.signals).find(([, each]) => each === number)?.[0] ?? `signal ${number}`;
