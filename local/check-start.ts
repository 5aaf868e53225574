/** `npm run check:start`: times a warm start and weighs what runs then. Exit code 1 over a target. */
import { resolve } from "node:path";
import { judge, startNode, stopNode } from "./check-run.ts";
import { occupants } from "./footprint.ts";

const TARGETS = { predictionSeconds: 20, scoreSeconds: 60, nodeMb: 900 };
const dir = resolve(import.meta.dirname, "../.almanac/check");

const first = startNode(dir); // builds and initialises what a warm start finds
await first.until("api + ui");
await stopNode(first);

const run = startNode(dir);
const prediction = await run.until("first predictions");
const score = await run.until("first scores");
const all = occupants(run.pid, dir);
await stopNode(run);

/** The command of a process; of ours without Node and its flags. */
const told = (program: string, command: string) =>
  program === "node" ? command.replace(/ --(import )?\S+/g, "").replace(/^\S+ /, "") : command;
for (const { program, rssMb, identity } of all.toSorted((a, b) => b.rssMb - a.rssMb))
  console.log(
    `${rssMb.toFixed(0).padStart(6)} MB  ${program.padEnd(12)} ${told(program, identity.command).slice(0, 100)}`,
  );
const sum = (list: typeof all) => list.reduce((total, { rssMb }) => total + rssMb, 0);
console.log(
  `${sum(all).toFixed(0).padStart(6)} MB  everything, Temporal and PostgreSQL included (shared pages counted in each)\n`,
);
process.exitCode = judge([
  { name: "warm start to first predictions", value: prediction, target: TARGETS.predictionSeconds, unit: "s" },
  { name: "warm start to first scores", value: score, target: TARGETS.scoreSeconds, unit: "s" },
  {
    name: "RSS of our Node processes together",
    value: sum(all.filter(({ program }) => program === "node")),
    target: TARGETS.nodeMb,
    unit: "MB",
  },
]);
