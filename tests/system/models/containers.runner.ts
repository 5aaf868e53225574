// A runner as a process of its own, to be killed: node containers.runner.ts '{"engine","image","runner","folder","folders"}'.
// Its model spins, so that nobody reads the channel when the runner is gone.

import { pino } from "pino";
import { z } from "zod";
import { createContainerHosts } from "../../../models/runner/container-host.ts";
import { KIND } from "../../../models/runner/frames.ts";
import { createModelLog } from "../../../models/runner/log-drain.ts";
import { encodePythonFrame } from "../../../models/runner/python-frame.ts";

const settings = z.object({
  ...{ engine: z.string(), image: z.string(), runner: z.string(), folder: z.string() },
  folders: z.object({ host: z.string(), packages: z.string(), code: z.string() }),
});
const { folders, ...options } = settings.parse(JSON.parse(process.argv[2]!));
const hosts = await createContainerHosts({ ...options, logger: pino({ level: "silent" }) });
const log = createModelLog();
const setup = encodePythonFrame(KIND.SETUP, 1, [{ name: "tracker.TrackerBase", args: [], kwargs: [] }], 600_000, true);
const host = hosts.start(folders, log, {
  frame() {
    host.write(setup);
    return true;
  },
  oversize: (length) => process.stdout.write(`a frame of ${length} bytes\n`),
  end: (why) => process.stdout.write(`${why}\n`),
});
const timer = setInterval(() => {
  if (!log.text().includes("spinning")) return;
  clearInterval(timer);
  process.stdout.write("spinning\n");
}, 20);
