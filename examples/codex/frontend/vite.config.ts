import { defineConfig } from "vite";

// In the cluster the backend is a Service; under Compose it is a container of the same name.
const backend = process.env.BACKEND_URL ?? "http://backend:8000";

export default defineConfig({
  server: {
    port: 5173,
    strictPort: true,
    // The page is opened through a port forward or the ingress, under any name.
    allowedHosts: true,
    proxy: { "/api": backend },
  },
});
