import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { PythonCallable } from "../models/callables/python-callable.ts";
import type { PythonHost, PythonPlace } from "../models/callables/python-host.ts";
import { type CallableField, type Named, parseReference, REFERENCE_FORMS, type Reference } from "./callables.ts";
import { argumentsProblem } from "./python-callables.ts";
import { hashOf, type SourceReader } from "./sources.ts";

/** A named callable that was found. */
export interface FoundCallable {
  field: CallableField;
  where: string;
  /** as it was named */
  reference: string;
  language: Reference["language"];
  /** of its sources */
  hash: string;
  /** null: Python's, in a process that runs none of it */
  call: ((...args: never[]) => unknown) | PythonCallable | null;
}

/** Participants' packages lie there; scorers may be shared from it. */
const PACKAGES = "challenge";

export interface ResolveContext {
  /** the competition's folder */
  folder: string;
  sources: SourceReader;
  /** absent: Python callables are found and hashed, and not opened */
  python?: PythonHost | undefined;
}

/** Finds and opens one named callable; its problem says what was looked for and where. */
export async function findCallable(
  named: Named,
  context: ResolveContext,
): Promise<FoundCallable | { problem: string }> {
  const reference = parseReference(named.text);
  if (!reference) return { problem: `${named.text} is none: name ${REFERENCE_FORMS}` };
  const { field, where } = named;
  const base = { field, where, reference: named.text, language: reference.language };
  const found =
    reference.language === "typescript"
      ? await findExport(reference, context)
      : await findPython(field, reference, context);
  return "problem" in found ? { problem: `${named.text}: ${found.problem}` } : { ...base, ...found };
}

type Found = Pick<FoundCallable, "hash" | "call"> | { problem: string };

/** In the competition's folder, then in the working directory. */
function fileOf(path: string, { folder }: ResolveContext): { file: string } | { problem: string } {
  const places = [...new Set([resolve(folder, path), resolve(path)])];
  const file = places.find((place) => existsSync(place));
  return file ? { file } : { problem: `no such file; looked for ${places.join(" and ")}` };
}

async function findExport(
  { file: path, name }: Extract<Reference, { language: "typescript" }>,
  context: ResolveContext,
): Promise<Found> {
  const at = fileOf(path, context);
  if ("problem" in at) return at;
  try {
    const module = (await import(pathToFileURL(at.file).href)) as Record<string, unknown>;
    const call = module[name];
    const functions = Object.keys(module).filter((each) => typeof module[each] === "function");
    if (call === undefined)
      return { problem: `${at.file} exports no ${name}; its functions are ${functions.join(", ") || "none"}` };
    if (typeof call !== "function") return { problem: `${name} of ${at.file} is ${typeof call}, not a function` };
    return { call: call as FoundCallable["call"], hash: hashOf([await context.sources.typescript(at.file), name]) };
  } catch (error) {
    return { problem: `${at.file} cannot be imported: ${String(error)}` };
  }
}

async function findPython(
  field: CallableField,
  reference: Extract<Reference, { language: "python" }>,
  context: ResolveContext,
): Promise<Found> {
  const place = placeOf(reference, context);
  if ("problem" in place) return place;
  const hash = hashOf([await context.sources.python([place.root, ...place.packages]), `${place.module}:${place.name}`]);
  if (!context.python) return { hash, call: null };
  try {
    const call = await context.python.open(place);
    const problem = argumentsProblem(field, call.takes);
    return problem ? { problem } : { hash, call };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}

/** A module is looked for in the competition's folder and among the packages that participants get. */
function placeOf(
  reference: Extract<Reference, { language: "python" }>,
  context: ResolveContext,
): PythonPlace | { problem: string } {
  const challenge = join(context.folder, PACKAGES);
  const { module, name } = reference;
  const packages = existsSync(challenge) ? [challenge] : [];
  if (reference.file !== undefined) {
    const at = fileOf(reference.file, context);
    return "problem" in at ? at : { root: dirname(at.file), packages, module, name };
  }
  const roots = [context.folder, ...packages];
  const path = module.split(".").join("/");
  const root = roots.find(
    (each) => existsSync(join(each, `${path}.py`)) || existsSync(join(each, path, "__init__.py")),
  );
  if (root === undefined)
    return { problem: `no module ${module}; looked for ${path}.py and ${path}/__init__.py in ${roots.join(" and ")}` };
  return { root, packages: packages.filter((each) => each !== root), module, name };
}
