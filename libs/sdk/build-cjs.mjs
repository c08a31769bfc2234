// dist/*.cjs, for those who `require`: one file for each entry.
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

const absolute = (file) => fileURLToPath(new URL(file, import.meta.url));

/** Is loaded when it is needed, by `import()`, which CommonJS has too: it needs what only ES modules have. */
const grpcApart = {
  name: 'grpc apart',
  setup: ({ onResolve }) =>
    onResolve({ filter: /\/grpc\.js$/ }, () => ({ path: './grpc.js', external: true })),
};

/** There is one client, whose classes are the same for all. */
const clientApart = {
  name: 'client apart',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\/index\.js$/ }, () => ({ path: './index.cjs', external: true })),
};

await build({
  entryPoints: [absolute('src/index.ts'), absolute('src/testing.ts')],
  outdir: absolute('dist'),
  outExtension: { '.js': '.cjs' },
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  external: ['ws'],
  plugins: [grpcApart, clientApart],
  logLevel: 'warning',
});
