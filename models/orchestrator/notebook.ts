import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { installedByNotebook, plainRequirements } from "./requirements.ts";
import { safePath, UploadError } from "./submission-files.ts";

const CONVERT_MS = 30_000;
const MAX_NOTEBOOK_BYTES = 32 << 20;
const MAX_ANSWER_BYTES = 64 << 20;

const cell = z.object({
  cell_type: z.string(),
  source: z.union([z.string(), z.array(z.string()).transform((lines) => lines.join(""))]),
});
const notebook = z.object({ nbformat: z.number().min(4, "only format 4 and newer can be read"), cells: z.array(cell) });
const answer = z.union([
  z.object({ source: z.string(), installs: z.array(z.string()), requirements: z.array(z.string()) }),
  z.object({ problem: z.string() }),
]);

export interface ConvertedNotebook {
  /** the text of main.py */
  readonly source: string;
  /** plain requirements: from `pip install` lines, and from versions beside imports */
  readonly requirements: string[];
  /** files that markdown cells hold: `---`, `file: name`, `---`, text */
  readonly files: ReadonlyMap<string, string>;
}

/**
 * A notebook as a module. The Python that runs the models reads it, so that both know the same syntax; no cell is run.
 * @throws UploadError naming the cell and what is wrong with it
 */
export async function convertNotebook(bytes: Buffer, python: string): Promise<ConvertedNotebook> {
  const { cells } = readNotebook(bytes);
  const code = cells.filter(({ cell_type }) => cell_type === "code").map(({ source }) => source);
  const converted = answer.parse(JSON.parse(await runConverter(python, JSON.stringify(code))));
  if ("problem" in converted) throw new UploadError(`The notebook cannot be converted. ${converted.problem}`);
  return {
    source: converted.source,
    requirements: [
      ...installedByNotebook(converted.installs),
      ...plainRequirements(converted.requirements, "the notebook's imports"),
    ],
    files: embeddedFiles(cells),
  };
}

function readNotebook(bytes: Buffer): z.infer<typeof notebook> {
  if (bytes.length > MAX_NOTEBOOK_BYTES)
    throw new UploadError(`The notebook has more than ${MAX_NOTEBOOK_BYTES >> 20} MiB: clear its outputs.`);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new UploadError("The notebook is not JSON: save it as .ipynb and submit that file.");
  }
  const parsed = notebook.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new UploadError(`The notebook is not one: ${issue?.path.join(".")}: ${issue?.message}.`);
}

const EMBEDDED = /^---\r?\nfile:[ \t]*(\S[^\r\n]*?)[ \t]*\r?\n---\r?\n+/;

function embeddedFiles(cells: z.infer<typeof notebook>["cells"]): Map<string, string> {
  const files = new Map<string, string>();
  for (const { cell_type, source } of cells) {
    const match = cell_type === "markdown" ? EMBEDDED.exec(source) : null;
    if (!match?.[1]) continue;
    const name = safePath(match[1]);
    if (files.has(name)) throw new UploadError(`Two cells of the notebook hold the file ${name}.`);
    files.set(name, source.slice(match[0].length));
  }
  return files;
}

/** Runs the converter beside, with limits: a parser that is fed strange text may take long or much. */
function runConverter(python: string, cells: string): Promise<string> {
  const script = fileURLToPath(new URL("./notebook.py", import.meta.url));
  const limits = ["--as=1073741824", "--cpu=20", "--core=0", "--"];
  const limited = process.platform === "linux";
  const [command, args] = limited
    ? ["prlimit", [...limits, python, "-I", "-S", "-B", script]]
    : [python, ["-I", "-S", "-B", script]];
  return new Promise((resolve, reject) => {
    const child = spawn(command as string, args as string[], {
      stdio: ["pipe", "pipe", "ignore"],
      timeout: CONVERT_MS,
    });
    const chunks: Buffer[] = [];
    let size = 0;
    child.stdout.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > MAX_ANSWER_BYTES) child.kill("SIGKILL");
    });
    child.stdin.on("error", () => undefined); // its end says more
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(Buffer.concat(chunks).toString("utf8"));
      else reject(new UploadError("The notebook cannot be converted: reading it took too long or too much memory."));
    });
    child.stdin.end(cells);
  });
}
