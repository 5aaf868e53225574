// Finds the class of a JavaScript or TypeScript submission.
import { existsSync, readFileSync, statSync } from "node:fs";
import { builtinModules, registerHooks } from "node:module";
import { join, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { CODE, Refusal } from "./host_values.mjs";

const TRAIN_INFER = ":train-infer"; // as the runner calls it
const EXTENSIONS = [".ts", ".mts", ".mjs", ".js", ".cjs"];
const isFile = (path) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

/** Bare imports are looked up among the competition's packages first: a copy in a submission is no base class. */
export function resolveFrom(packages) {
  registerHooks({
    resolve(specifier, context, next) {
      const path = packageFile(packages, specifier);
      return path === undefined ? next(specifier, context) : { url: pathToFileURL(path).href, shortCircuit: true };
    },
  });
}

function packageFile(packages, name) {
  if (/^[./#]|:/.test(name) || name.includes("..") || builtinModules.includes(name)) return undefined;
  const path = join(packages, name);
  return [...EXTENSIONS.map((end) => path + end), ...EXTENSIONS.map((end) => join(path, `index${end}`))].find(isFile);
}

/** The file that package.json names as main, or the one that is called main. Throws Refusal with what to do. */
function mainFile(code, wanted) {
  const named = wanted ?? packageMain(code);
  if (named !== undefined) {
    const path = join(code, named);
    if (path.startsWith(code + sep) && isFile(path)) return path;
    throw new Refusal(CODE.BAD_IMPLEMENTATION, `The main file ${named} is not in the submission.`);
  }
  const found = EXTENSIONS.map((end) => `main${end}`).filter((name) => isFile(join(code, name)));
  if (found.length === 1) return join(code, found[0]);
  const names = EXTENSIONS.map((end) => `main${end}`).join(", ");
  throw new Refusal(
    CODE.BAD_IMPLEMENTATION,
    found.length === 0
      ? `The submission has no main file. Name it in package.json, or call it one of ${names}.`
      : `The submission has several main files: ${found.join(", ")}. Leave one, or name it in package.json.`,
  );
}

function packageMain(code) {
  const path = join(code, "package.json");
  if (!existsSync(path)) return undefined;
  try {
    const { main } = JSON.parse(readFileSync(path, "utf8"));
    return typeof main === "string" ? main : undefined;
  } catch (error) {
    throw new Refusal(CODE.BAD_IMPLEMENTATION, `package.json cannot be read: ${error.message}`);
  }
}

const isClass = (value) => typeof value === "function" && /^class\b/.test(Function.prototype.toString.call(value));
function extendsNamed(cls, name) {
  for (let at = Object.getPrototypeOf(cls); typeof at === "function"; at = Object.getPrototypeOf(at))
    if (at.name === name) return true;
  return false;
}

/**
 * The class that the main file exports. Where the competition has a JavaScript class of the base's name, the class must extend
 * one so named; a default export comes before the others.
 */
export async function findClass(code, wanted, packages, dotted) {
  const [module, name] = [dotted.slice(0, dotted.lastIndexOf(".")), dotted.slice(dotted.lastIndexOf(".") + 1)];
  if (dotted === TRAIN_INFER)
    throw new Refusal(
      CODE.BAD_IMPLEMENTATION,
      "The train/infer services are for Python models: this one is JavaScript.",
    );
  if (module === "" || !dotted.includes("."))
    throw new Refusal(CODE.SETUP_FAILED, `Invalid class name '${dotted}'. Use 'module.ClassName' format.`);
  const main = mainFile(code, wanted);
  const file = main.slice(code.length + 1);
  const exported = await load(main, file);
  const classes = new Map(
    Object.entries(exported)
      .filter(([, value]) => isClass(value))
      .map(([key, cls]) => [cls, key]),
  );
  if (isClass(exported.default)) classes.set(exported.default, "default");
  const heirs = [...classes.keys()].filter((cls) => extendsNamed(cls, name));
  const isBaseHere = packageFile(packages, module.split(".")[0]) !== undefined;
  const candidates = heirs.length > 0 || isBaseHere ? heirs : [...classes.keys()];
  if (candidates.includes(exported.default)) return exported.default;
  if (candidates.length === 1) return candidates[0];
  const names = candidates.map((cls) => classes.get(cls)).join(", ");
  throw new Refusal(
    CODE.BAD_IMPLEMENTATION,
    candidates.length === 0
      ? `No Inherited class found from ${dotted}: ${file} must export a class${isBaseHere ? ` that extends ${name}` : ""}; it exports ${Object.keys(exported).join(", ") || "nothing"}.`
      : `Several classes are exported by ${file}: ${names}. Leave one, or make one the default export.`,
  );
}

async function load(path, file) {
  try {
    return await import(pathToFileURL(path).href);
  } catch (error) {
    console.error(error);
    throw new Refusal(
      CODE.BAD_IMPLEMENTATION,
      `${file} could not be imported: ${error?.name ?? "Error"}: ${error?.message ?? error}`,
    );
  }
}
