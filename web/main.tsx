import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { CheckpointPage } from "./pages/checkpoint.tsx";
import { CheckpointsPage } from "./pages/checkpoints.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import "./style.css";

const queries = new QueryClient({
  defaultOptions: { queries: { retry: 1, retryDelay: 500, networkMode: "always", structuralSharing: true } },
});

/** Every page has an address of its own. */
function pageAt(path: string) {
  const [, id] = /^\/checkpoints\/([^/]+)\/?$/.exec(path) ?? [];
  if (id !== undefined) return <CheckpointPage id={decoded(id)} />;
  return /^\/checkpoints\/?$/.test(path) ? <CheckpointsPage /> : <OverviewPage />;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // no id is written so: the node says that there is none
  }
}

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>{pageAt(location.pathname)}</QueryClientProvider>
    </StrictMode>,
  );
