import { existsSync } from "node:fs";
import { type Command, InvalidArgumentError } from "commander";
import { numberFlag } from "./client-flags.ts";

/** Flags of `almanac model …`, as far as a command has them. */
export interface ModelFlags {
  readonly json?: boolean;
  readonly to?: string;
  readonly name?: string;
  readonly cruncher?: string;
  readonly stopped?: boolean;
  readonly wait?: boolean;
  readonly force?: boolean;
  readonly follow?: boolean;
  readonly builder?: boolean;
  readonly timeout?: number;
}

const TO = ["--to <url>", "the orchestrator's HTTP API (default: the one of this machine)"] as const;
const JSON_FLAG = ["--json", "print JSON"] as const;

const modelName = (text: string): string => {
  if (/^[a-z][a-z0-9-]{0,62}$/.test(text)) return text;
  throw new InvalidArgumentError("It must be lower-case letters, digits and dashes, and begin with a letter.");
};
const existing = (path: string): string => {
  if (existsSync(path)) return path;
  throw new InvalidArgumentError("There is no such file or folder.");
};

/** `almanac model new|test|run|list|logs|stop|upload`. Exit codes: 0 done, 1 it failed, 2 wrong usage. */
export function addModelCommands(program: Command): void {
  const model = program.command("model").description("write, test and run models");
  const load = () => import("./model.ts");

  model
    .command("new")
    .description("make a folder with a sample model of this competition")
    .argument("<name>", "name of the folder: lower-case letters, digits and dashes", modelName)
    .action(async (name: string) => (await import("./model-new.ts")).newModelCommand(name));
  model
    .command("test")
    .description("run a model in a real box against recorded data")
    .argument("<path>", "a .py file, a notebook, a folder or a zip", existing)
    .option("--timeout <seconds>", "for the calls of one round (default: the node's)", numberFlag(0.001, false))
    .option(...JSON_FLAG)
    .action(async (path: string, flags: ModelFlags) => (await import("./model-test.ts")).testModelCommand(path, flags));
  uploadFlags(model.command("run").argument("<path|id>", "a .py file, a notebook, a folder or a zip; or a model's id"))
    .description("run a model in the competition of this machine: a path is uploaded, an id is started again")
    .action(async (what: string, flags: ModelFlags) => (await load()).runModelCommand(what, flags));
  uploadFlags(model.command("upload").argument("<path>", "a .py file, a notebook, a folder or a zip", existing))
    .description("upload a model to an orchestrator")
    .action(async (path: string, flags: ModelFlags) => (await load()).uploadModelCommand(path, flags));
  model
    .command("list")
    .description("list the models of an orchestrator")
    .option(...TO)
    .option(...JSON_FLAG)
    .action(async (flags: ModelFlags) => (await load()).listModelsCommand(flags));
  model
    .command("logs")
    .description("print what a model, or its build, printed")
    .argument("<id>", "id of the model")
    .option("--builder", "the log of its build")
    .option("--follow", "go on until it ends")
    .option(...TO)
    .action(async (id: string, flags: ModelFlags) => (await load()).modelLogsCommand(id, flags));
  model
    .command("stop")
    .description("stop an uploaded model")
    .argument("<id>", "id of the model")
    .option(...TO)
    .option(...JSON_FLAG)
    .action(async (id: string, flags: ModelFlags) => (await load()).stopModelCommand(id, flags));
}

const uploadFlags = (command: Command): Command =>
  command
    .option(...TO)
    .option("--name <name>", "what people call it; an uploaded model of this name is replaced without a gap")
    .option("--cruncher <id>", "who enters it")
    .option("--stopped", "do not start it")
    .option("--force", "start it although its submission is in quarantine")
    .option("--no-wait", "do not wait until it runs")
    .option(...JSON_FLAG);
