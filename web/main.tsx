import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { OverviewPage } from "./pages/overview.tsx";
import "./style.css";

const queries = new QueryClient({
  defaultOptions: { queries: { retry: 1, retryDelay: 500, networkMode: "always", structuralSharing: true } },
});

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <OverviewPage />
      </QueryClientProvider>
    </StrictMode>,
  );
