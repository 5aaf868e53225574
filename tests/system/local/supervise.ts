/** A supervisor for tests: `node supervise.ts <json {dir, title, services: [{name, stage, behaviour}]}>`; a file as log where asked. */
import { join } from "node:path";
import { environment } from "../../../config.ts";
import { onStopSignal } from "../../../local/signals.ts";
import { createSupervisor, type Stage } from "../../../local/supervisor.ts";

type Plan = { dir: string; title: string; services: { name: string; stage: Stage; behaviour: string }[] };
const { dir, title, services } = JSON.parse(process.argv[2] ?? "") as Plan;

const say = (line: string) => console.log(`# ${line}`);
const supervisor = createSupervisor(dir, say);
const earlier = supervisor.recorded().get("database");
onStopSignal(
  () => supervisor.stop().then(() => process.exit(0)),
  () => supervisor.kill().then(() => process.exit(1)),
);
const ended = await supervisor.endLeftovers(earlier ? [earlier] : []);
say(`ended ${ended.length} leftovers`);
const env = { PATH: environment().PATH ?? "" };
for (const { name, stage, behaviour } of services) {
  const args = [join(import.meta.dirname, "fake-role.ts"), behaviour, JSON.stringify({ stateDir: dir }), title];
  const log =
    stage === "database"
      ? { file: join(dir, "database.log") }
      : { line: (line: string) => console.log(`${name} ${line}`) };
  supervisor.start(
    stage,
    { name, command: process.execPath, args, env, log },
    name === "database" ? earlier : undefined,
  );
}
say("ready");
