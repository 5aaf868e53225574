import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** `vite --config web/vite.config.ts` serves the sources and passes API calls on to a running node. */
const NODE = "http://127.0.0.1:8000";

export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: { outDir: "dist", emptyOutDir: true, assetsInlineLimit: 0, target: "es2023" },
  server: { host: "127.0.0.1", proxy: { "/v1": NODE, "/reports": NODE, "/info": NODE } },
});
