import { join } from "node:path";
import type { Boot } from "./boot.ts";
import { build, isStale } from "./builds.ts";
import { programPath } from "./program.ts";

type Product = {
  title: string;
  product: string;
  /** Files and folders, from the root, whose change makes the product stale. */
  sources: readonly string[];
  command: readonly string[];
  /** Without it nothing runs. */
  essential: boolean;
};

const products = (root: string, dir: string): Product[] => [
  {
    title: "workflow bundle",
    product: join(dir, "workflows-bundle.js"),
    sources: ["workflows", "domain", "package-lock.json"],
    command: [programPath("workers/bundle")],
    essential: true,
  },
  {
    title: "web page",
    product: join(root, "web/dist/index.html"),
    sources: ["web", "api/contract", "domain", "proofs", "package-lock.json"],
    command: [join(root, "node_modules/vite/bin/vite.js"), "build", join(root, "web")],
    essential: false,
  },
];

/** Builds what is older than its sources, one after the other: both are hungry. */
export async function buildProducts({ settings, progress, supervisor }: Boot, root: string): Promise<void> {
  for (const { title, product, sources, command, essential } of products(root, supervisor.dir)) {
    const paths = sources.map((source) => join(root, source));
    if (!isStale(product, paths)) continue;
    progress.note(`building the ${title} (a few seconds)`);
    const built = build(`The ${title}`, process.execPath, command, settings.env);
    await (essential
      ? built
      : built.catch((error: Error) => progress.warn(`${error.message}\n  The node starts without it.`)));
  }
}
