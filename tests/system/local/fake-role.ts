/** A role for supervisor tests: `node fake-role.ts <behaviour> <json {stateDir}> <title>`; the title is how a test finds it again. */
import { spawn } from "node:child_process";

const [behaviour = "polite", settings = "{}", title = "fake"] = process.argv.slice(2);
console.log(`${behaviour} ${process.pid} is up`);
setInterval(() => undefined, 1000);

if (behaviour === "deaf") process.on("SIGTERM", () => console.log("heard, not listening"));

// Children in sessions of their own; the keeper's has a clean environment too, as the orchestrator's runner.
const child = [import.meta.filename, "deaf", settings, title];
if (behaviour === "mother") spawn(process.execPath, child, { detached: true, stdio: "ignore" });
if (behaviour === "keeper") spawn(process.execPath, child, { detached: true, stdio: "ignore", env: {} });
