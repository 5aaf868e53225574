import { type Boot, type Found, logFile, portIn, runsWith, startedOrKept } from "./boot.ts";
import {
  checkChosenTemporal,
  isAlmanacServer,
  isTemporalChosen,
  localConnectionSettings,
  temporalArgs,
  temporalProblem,
} from "./temporal.ts";
import { findTemporal } from "./temporal-binary.ts";

const PORT = 7233;
const UI_PORT = 8233;
const LOOK_MS = 1000;

/** `connection`: settings by which a role reaches the server. */
type Server = { connection: Record<string, string>; uiUrl: string };

/** Temporal: the one that the user chose, a healthy one on the usual port, or a dev server of this folder. */
export async function findTemporalServer(boot: Boot): Promise<Found<Server>> {
  const { settings, supervisor } = boot;
  const uiUrl = settings.config.TEMPORAL_UI_URL;
  if (isTemporalChosen(settings.env)) {
    const address = await checkChosenTemporal(settings.env);
    const connection = { TEMPORAL_ADDRESS: address }; // TLS and keys stay in the environment and the profile
    return { earlier: undefined, open: async () => ({ connection, uiUrl, text: `${address}, as set` }) };
  }
  const address = `127.0.0.1:${PORT}`;
  const recorded = supervisor.recorded().get("temporal");
  // A server of another Almanac folder is left alone: task queues and workflow ids would mix.
  if (!recorded && !isAlmanacServer(PORT) && (await temporalProblem(address, LOOK_MS)) === undefined) {
    const connection = localConnectionSettings(supervisor.dir, address);
    const text = `found one on port ${PORT}, UI ${uiUrl}`;
    return { earlier: undefined, open: async () => ({ connection, uiUrl, text }) };
  }
  return findOwn(boot);
}

async function findOwn(boot: Boot): Promise<Found<Server>> {
  const { settings, supervisor, progress, choosePort } = boot;
  const namespaces = [settings.config.TEMPORAL_NAMESPACE, settings.config.TEMPORAL_CHECKPOINT_NAMESPACE];
  const argsFor = (port: number, uiPort: number) => temporalArgs({ dir: supervisor.dir, port, uiPort, namespaces });
  const recorded = supervisor.recorded().get("temporal");
  const [oldPort, oldUiPort] = [portIn(recorded, "--port"), portIn(recorded, "--ui-port")];
  const same = recorded && oldPort && oldUiPort && runsWith(recorded, argsFor(oldPort, oldUiPort));
  const earlier = same && (await temporalProblem(`127.0.0.1:${oldPort}`)) === undefined ? recorded : undefined;

  async function open() {
    const wish = { setting: "TEMPORAL_ADDRESS", explicit: false };
    const port = (earlier && oldPort) || (await choosePort({ ...wish, wanted: PORT }));
    const uiPort =
      (earlier && oldUiPort) || (await choosePort({ ...wish, setting: "TEMPORAL_UI_URL", wanted: UI_PORT }));
    const args = argsFor(port, uiPort);
    const command = earlier
      ? earlier.command.slice(0, -args.join(" ").length - 1)
      : await findTemporal(settings.env, (line) => progress.note(`temporal: ${line}`));
    const spec = { name: "temporal", command, args, env: settings.env, log: logFile(boot, "temporal") };
    supervisor.start("servers", spec, earlier);
    const uiUrl = settings.isExplicit("TEMPORAL_UI_URL")
      ? settings.config.TEMPORAL_UI_URL
      : `http://localhost:${uiPort}`;
    const connection = localConnectionSettings(supervisor.dir, `127.0.0.1:${port}`);
    return { connection, uiUrl, text: `dev server, port ${port}, UI ${uiUrl}, ${startedOrKept(earlier)}` };
  }
  return { earlier, open };
}
