/** `npm start`: one machine, everything, in the foreground. */
import { resolve } from "node:path";
import { createLogPrinter } from "./log-lines.ts";
import { runNode } from "./node.ts";
import { createPortChooser } from "./ports.ts";
import { createProgress } from "./progress.ts";
import { checkPython } from "./python.ts";
import { readLocalSettings } from "./settings.ts";
import { onStopSignal } from "./signals.ts";
import { createSupervisor } from "./supervisor.ts";

const ROOT = resolve(import.meta.dirname, "..");
/** The start cannot work with these settings, on this machine. */
const UNUSABLE = 2;

const write = (text: string) => void process.stdout.write(text);
process.stdout.on("error", () => undefined); // `npm start | head` must not end the node
const color = process.stdout.isTTY === true && process.stdout.hasColors(); // hears NO_COLOR
const progress = createProgress(write, color);

/** Causes are told in the message; a stack would only hide them. */
const explain = (error: unknown) => (error instanceof Error ? error.message : String(error));

async function main(): Promise<number> {
  const settings = readLocalSettings(ROOT);
  const python = await checkPython(settings.config.PYTHON);
  const supervisor = createSupervisor(settings.config.ALMANAC_DIR, progress.warn);
  const ended = Promise.withResolvers<void>();
  const stopped = new AbortController();
  onStopSignal(
    () => {
      write("\n");
      progress.note("stopping (once more Ctrl-C: kill)");
      stopped.abort();
      supervisor.stop().then(ended.resolve, ended.reject);
    },
    () => supervisor.kill().then(ended.resolve, ended.reject),
  );
  const set = Object.keys(settings.env).filter((name) => settings.isExplicit(name) && name in settings.config).length;
  progress.done("config", `${set} settings of yours, the others from local/profile.env and defaults; Python ${python}`);
  const boot = { settings, supervisor, progress, choosePort: createPortChooser(progress.warn) };
  try {
    await runNode(boot, { root: ROOT, print: createLogPrinter(write, color), signal: stopped.signal });
  } catch (error) {
    if (!stopped.signal.aborted) {
      progress.failed("start", explain(error));
      await supervisor.stop();
      return UNUSABLE;
    }
  }
  await ended.promise;
  progress.note("stopped");
  return 0;
}

process.exitCode = await main().catch((error: unknown) => {
  progress.failed("start", explain(error));
  return UNUSABLE;
});
