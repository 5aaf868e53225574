/** `npm run check:stop`: nothing of a node is left after a stop, nor after kill -9 of the supervisor, the next start and a stop. */
import { resolve } from "node:path";
import { judge, type NodeRun, startNode, stopNode } from "./check-run.ts";
import { listeningPorts, type Occupant, occupants } from "./footprint.ts";
import { isPortFree } from "./ports.ts";
import { isAlive } from "./process-identity.ts";

const STOP_SECONDS = 10;
const INFRASTRUCTURE = /postgres -D|server start-dev|dev-chain/;
const dir = resolve(import.meta.dirname, "../.almanac/check");

type Snapshot = { processes: Occupant[]; ports: number[] };

async function upAndRunning(): Promise<{ run: NodeRun; seen: Snapshot }> {
  const run = startNode(dir);
  await run.until("first predictions");
  const processes = occupants(run.pid, dir);
  return { run, seen: { processes, ports: listeningPorts(processes.map(({ identity }) => identity.pid)) } };
}

/** Processes and ports of the snapshot that are still there. */
async function left({ processes, ports }: Snapshot) {
  const alive = processes.filter(({ identity }) => isAlive(identity));
  for (const { identity } of alive) console.log(`still running: ${identity.pid} ${identity.command.slice(0, 120)}`);
  const taken: number[] = [];
  for (const port of ports) if (!(await isPortFree(port))) taken.push(port);
  if (taken.length > 0) console.log(`still taken: ${taken.join(", ")}`);
  return { processes: alive.length, ports: taken.length };
}

const first = await upAndRunning();
console.log(`up: ${first.seen.processes.length} processes, ports ${first.seen.ports.join(" ")}`);
const firstStop = await stopNode(first.run);
const afterStop = await left(first.seen);

const second = await upAndRunning();
second.run.kill("SIGKILL");
await second.run.ended;
const third = await upAndRunning();
const servers = second.seen.processes.filter(({ identity }) => INFRASTRUCTURE.test(identity.command));
const adopted = servers.filter(({ identity }) => isAlive(identity)).length;
const roles = second.seen.processes.filter(
  ({ identity }) => !INFRASTRUCTURE.test(identity.command) && !/^postgres: /.test(identity.command),
);
const oldRoles = roles.filter(({ identity }) => isAlive(identity)).length;
console.log(`after kill -9: ${adopted} of ${servers.length} servers taken over`);
const secondStop = await stopNode(third.run);
const afterAll = await left({
  processes: [...second.seen.processes, ...third.seen.processes],
  ports: [...second.seen.ports, ...third.seen.ports],
});

process.exitCode = judge([
  { name: "stop", value: firstStop, target: STOP_SECONDS, unit: "s" },
  { name: "processes left after the stop", value: afterStop.processes, target: 0, unit: "processes" },
  { name: "ports left after the stop", value: afterStop.ports, target: 0, unit: "ports" },
  { name: "servers not taken over after kill -9", value: servers.length - adopted, target: 0, unit: "processes" },
  { name: "roles of the killed start still there", value: oldRoles, target: 0, unit: "processes" },
  { name: "stop after kill -9 and the next start", value: secondStop, target: STOP_SECONDS, unit: "s" },
  { name: "processes left at the end", value: afterAll.processes, target: 0, unit: "processes" },
  { name: "ports left at the end", value: afterAll.ports, target: 0, unit: "ports" },
]);
