import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { printable } from "../models/orchestrator/trial-text.ts";
import { type ListedModel, type ModelApi, openModelApi } from "./model-api.ts";
import { modelFiles } from "./model-files.ts";
import type { ModelFlags } from "./model-flags.ts";

const LOOK_MS = 300;
const OVER = ["RUNNER_RUNNING", "RUNNER_STOPPED", "RUNNER_FAILED", "BUILDER_FAILED", "BUILDER_SUCCESS"];

export async function runModelCommand(what: string, flags: ModelFlags): Promise<void> {
  if (existsSync(what)) return uploadModelCommand(what, flags);
  if (/[/\\]|\.(py|ipynb|zip)$/.test(what)) throw new Error(`There is no file or folder ${what}.`);
  const api = openModelApi(flags.to);
  await api.change(what, { desired_state: "RUNNING", ...(flags.force ? { force: true } : {}) });
  await settle(api, what, flags);
}

export async function uploadModelCommand(path: string, flags: ModelFlags): Promise<void> {
  const files = await modelFiles(path);
  const api = openModelApi(flags.to);
  const before = flags.name === undefined ? undefined : await uploadedAs(api, flags);
  const fields = {
    desired_state: flags.stopped ? "STOPPED" : "RUNNING",
    ...(flags.name === undefined ? {} : { model_name: flags.name }),
    ...(flags.cruncher === undefined || before ? {} : { cruncher_id: flags.cruncher }),
    ...(before && flags.force && !flags.stopped ? { force: "true" } : {}),
  };
  const id = await api.upload(files, fields, before?.id);
  if (before) process.stderr.write(`replaces model ${before.id}\n`);
  await settle(api, id, flags);
}

async function uploadedAs(api: ModelApi, { name, cruncher }: ModelFlags): Promise<ListedModel | undefined> {
  const own = (await api.list()).filter(({ source, model_name }) => source === "upload" && model_name === name);
  const mine = own.filter(({ cruncher_id }) => cruncher === undefined || cruncher_id === cruncher);
  if (mine.length > 1) throw new Error(`${mine.length} models are named ${name}: say whose, with --cruncher.`);
  return mine[0];
}

/** Waits until it runs, or says why it does not. */
async function settle(api: ModelApi, id: string, flags: ModelFlags): Promise<void> {
  let model = await api.find(id);
  for (let said = ""; flags.wait !== false && !OVER.includes(model.status); model = await api.find(id)) {
    if (model.status !== said && !flags.json) process.stderr.write(`${model.status}\n`);
    said = model.status;
    await sleep(LOOK_MS);
  }
  const failed = /FAILED$/.test(model.status);
  if (flags.json) console.log(JSON.stringify(model, null, 2));
  else
    console.log([`${model.id}  ${model.model_name}  ${model.status}`, model.statusMessage].filter(Boolean).join("\n"));
  if (failed && !flags.json) process.stderr.write(`More: almanac model logs ${id} --builder\n`);
  if (failed) process.exitCode = 1;
}

export async function listModelsCommand(flags: ModelFlags): Promise<void> {
  const models = await openModelApi(flags.to).list();
  if (flags.json) {
    console.log(JSON.stringify(models, null, 2));
    return;
  }
  const rows = models.map(({ id, model_name, cruncher_name, status, source }) => [
    id,
    model_name,
    cruncher_name,
    status,
    source,
  ]);
  const table = [["ID", "MODEL", "CRUNCHER", "STATUS", "SOURCE"], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  for (const [i, row] of table.entries()) {
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    );
    const why = models[i - 1]?.statusMessage;
    if (why) console.log(`    ${why}`);
  }
}

export async function modelLogsCommand(id: string, flags: ModelFlags): Promise<void> {
  const api = openModelApi(flags.to);
  const model = await api.find(id);
  const uri = flags.builder ? model.builder_log_uri : model.runner_log_uri;
  if (uri === null) throw new Error(`The model ${id} has no ${flags.builder ? "builder" : "runner"} log.`);
  const text = await api.log(uri, flags.follow ?? false);
  for await (const chunk of text.pipeThrough(new TextDecoderStream()))
    process.stdout.write(process.stdout.isTTY ? printable(chunk) : chunk);
}

export async function stopModelCommand(id: string, flags: ModelFlags): Promise<void> {
  const api = openModelApi(flags.to);
  await api.change(id, { desired_state: "STOPPED" });
  await settle(api, id, flags);
}
