import { dirname } from "node:path";
import { type Box, type BoxFolders, boxedLaunch, type Launch, type Program } from "./box.ts";
import { INSIDE } from "./box-levels.ts";
import type { Interpreter } from "./python.ts";

/** The language of a submission; each has a host program of its own, which speaks the same frames on descriptor 3. */
export type HostKind = "python" | "javascript";

export interface HostOptions {
  /** the file that is looked at first for the model's class; `main.py`, or for JavaScript the one that is called main */
  readonly mainFile?: string | undefined;
  /** folder of the model's resources as seen from inside; the model finds it in RESOURCE_DIRECTORY */
  readonly resourceDirectory?: string | undefined;
  /** told to the model in HAS_GPU */
  readonly hasGpu?: boolean | undefined;
  /** folders of Python packages beside the interpreter's own, as seen from inside; if not said, all of `folders.more` */
  readonly site?: readonly string[];
}

/** Bounds V8's memory from within: it reserves far more address space than it uses, so a limit of that is none. */
const HEAP_MIB = 512;
const NODE_FLAGS = [`--max-old-space-size=${HEAP_MIB}`, "--max-semi-space-size=2", "--no-addons", "--no-warnings"];

/**
 * A model's host. `seen`: its folders as seen from inside the box. JavaScript runs in our own Node; Python is named there, too,
 * because the loader of the filter of system calls may need it.
 */
export function hostProgram(
  kind: HostKind,
  python: Interpreter,
  seen: Pick<BoxFolders, "host" | "packages" | "code">,
  { mainFile, resourceDirectory, hasGpu, site = [] }: HostOptions = {},
): Program {
  const options = JSON.stringify({ main_file: mainFile, resource_directory: resourceDirectory, has_gpu: hasGpu });
  const common = { searchPath: python.searchPath, python: python.executable };
  if (kind === "python") {
    const files = [`${seen.host}/host.py`, seen.code, seen.packages, JSON.stringify([...site, ...python.site])];
    return {
      ...common,
      argv: [python.executable, "-I", "-S", "-B", ...files, options],
      needs: python.prefixes.filter(isOutsideSystem),
      addressSpaceLimit: true,
    };
  }
  return {
    ...common,
    argv: [process.execPath, ...NODE_FLAGS, `${seen.host}/host.mjs`, seen.code, seen.packages, options],
    needs: [...python.prefixes, dirname(process.execPath)].filter(isOutsideSystem),
    addressSpaceLimit: false,
  };
}

const isOutsideSystem = (path: string): boolean => path !== "/usr" && !path.startsWith("/usr/");

/** Command line of a submission's host in a box. `slot` makes its uid. `folders.more` is seen at the same paths inside. */
export function submissionLaunch(
  kind: HostKind,
  box: Box,
  slot: number,
  folders: BoxFolders,
  options: HostOptions = {},
): Launch {
  const seen = box.level === "none" ? folders : INSIDE;
  return boxedLaunch(
    box,
    slot,
    folders,
    hostProgram(kind, box.interpreter, seen, { site: folders.more ?? [], ...options }),
  );
}
