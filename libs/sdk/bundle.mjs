// One file for each entry. Run by itself it makes dist/*.cjs, for those who `require` within this repository.
import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

const absolute = (file) => fileURLToPath(new URL(file, import.meta.url));

/** A file that stays one of its own, as `replacement`. */
const apart = (filter, replacement) => ({
  name: `${replacement} apart`,
  setup: ({ onResolve }) => onResolve({ filter }, () => ({ path: replacement, external: true })),
});

/** @param {'esm' | 'cjs'} format */
export function bundle(format, outdir) {
  const extension = format === 'esm' ? '.js' : '.cjs';
  return build({
    entryPoints: [absolute('src/index.ts'), absolute('src/testing.ts')],
    outdir,
    outExtension: { '.js': extension },
    bundle: true,
    format,
    platform: 'node',
    target: 'node20',
    external: ['ws'],
    plugins: [
      // Loaded when it is needed, by `import()`, which CommonJS has too: it needs what only ES modules have.
      apart(/\/grpc\.js$/, './grpc.js'),
      // There is one client, whose classes are the same for all.
      apart(/^\.\/index\.js$/, `./index${extension}`),
    ],
    logLevel: 'warning',
  });
}

/** What a worker loads to be pushed jobs. */
export function bundleGrpc(outdir) {
  return build({
    entryPoints: [absolute('src/grpc.ts')],
    outdir,
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
  });
}

if (process.argv[1] === absolute('bundle.mjs')) await bundle('cjs', absolute('dist'));
