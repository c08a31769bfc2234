// Bundles the command with everything it needs: `node apps/cli/build.mjs`. Chunks, because `top` and `doctor` bring
// libraries that no other command should wait for.
import { build } from 'esbuild';
import { readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { version } = JSON.parse(readFileSync(here('package.json'), 'utf8'));

rmSync(here('dist'), { recursive: true, force: true });
await build({
  entryPoints: [here('src/main.ts')],
  outdir: here('dist'),
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22',
  minifySyntax: true,
  sourcemap: true,
  logLevel: 'warning',
  // From their sources, so that no other build has to be done before this one.
  alias: {
    '@spooled/contracts': here('../../libs/contracts/src/index.ts'),
    '@spooled/sdk': here('../../libs/sdk/src/index.ts'),
  },
  // Loaded by their users only on request.
  external: ['react-devtools-core', 'pg-native'],
  define: {
    'process.env.NODE_ENV': '"production"',
    SPOOLED_CLI_VERSION: JSON.stringify(version),
  },
  // Bundled CommonJS asks for Node's own modules by `require`.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
