// Preloaded by `node --import .../bundled.mjs?manifest=<path>`: programs, and competitions that they load, come from their bundles.
// Plain JavaScript: it is what keeps the type stripper out of a process.
import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";

const { programs } = JSON.parse(readFileSync(new URL(import.meta.url).searchParams.get("manifest"), "utf8"));

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    const url = programs[found.url];
    return url ? { ...found, url, format: "module" } : found;
  },
});
