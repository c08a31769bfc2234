import react from '@vitejs/plugin-react';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  resolve: {
    // From its sources, so that what a page does not use is left out.
    alias: {
      '@spooled/sdk': fileURLToPath(new URL('../../libs/sdk/src/index.ts', import.meta.url)),
    },
  },
  build: {
    // Beside the server that sends it.
    outDir: 'dist/page',
    target: 'es2023',
    // The policy of the page allows no inline data but images, and fonts or scripts never.
    assetsInlineLimit: 0,
    // The client asks for it only where there is no WebSocket, which is no browser.
    rolldownOptions: { external: ['ws'] },
  },
  // `npx vite apps/dashboard` beside a running server, for whoever works on the pages.
  server: {
    proxy: { '/api': { target: process.env.SPOOLED_URL ?? 'http://localhost:8080', ws: true } },
  },
});
