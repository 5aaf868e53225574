import { execFile } from "node:child_process";
import { chmod, cp, mkdir, realpath, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { findInterpreters } from "../../../models/runner/python.ts";

const run = promisify(execFile);
const LIBRARIES = `import json, sysconfig; print(json.dumps(sorted({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})))`;
const UNUSED = /^(site-packages|dist-packages|test|ensurepip|idlelib|lib2to3|tkinter|turtledemo|config-.*)$/;
const BUSYBOX = "/usr/bin/busybox";

/** Fills a folder with this machine's Python, the libraries it loads and busybox: a root file system of some 50 MB. */
export async function makePythonRoot(root: string): Promise<void> {
  const [interpreter] = (await findInterpreters("python3")).toReversed(); // the system's, where there is one
  const python = interpreter!.executable;
  const { stdout } = await run(python, ["-I", "-c", LIBRARIES]);
  const folders = JSON.parse(stdout) as string[];
  for (const folder of folders) await copy(root, folder, (path) => !UNUSED.test(basename(path)));
  await copy(root, python);
  for (const library of await librariesOf([python, process.execPath, ...(await extensions(folders))]))
    await copy(root, library);
  await makeBareRoot(root);
  await symlink(process.execPath, join(root, "usr/bin/node")); // too large to be copied: mounted where it is wanted
  if (python !== "/usr/bin/python3") await symlink(python, join(root, "usr/bin/python3"));
}

/** A root file system with busybox and the folders that an engine wants. */
export async function makeBareRoot(root: string): Promise<void> {
  for (const folder of ["usr/bin", "bin", "etc", "proc", "sys", "dev", "run", "almanac", "tmp"])
    await mkdir(join(root, folder), { recursive: true });
  await chmod(join(root, "tmp"), 0o1777);
  await cp(await realpath(BUSYBOX), join(root, "bin/busybox"));
}

const copy = async (root: string, path: string, filter: (path: string) => boolean = () => true) => {
  await mkdir(join(root, dirname(path)), { recursive: true });
  await cp(path, join(root, path), { recursive: true, dereference: true, filter });
};

async function extensions(folders: readonly string[]): Promise<string[]> {
  const { stdout } = await run("find", [...folders, "-path", "*/lib-dynload/*.so"]);
  return stdout.split("\n").filter(Boolean);
}

/** What the dynamic linker would load, by its own account. */
async function librariesOf(binaries: readonly string[]): Promise<Set<string>> {
  const { stdout } = await run("ldd", [...binaries], { maxBuffer: 16 << 20 });
  return new Set([...stdout.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].map(([, path]) => path!));
}
