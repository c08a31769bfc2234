// Makes dist/package, which can be published: `node libs/sdk/pack.mjs && npm publish libs/sdk/dist/package`.
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { bundle, bundleGrpc } from './bundle.mjs';
import { declarations } from './declarations.mjs';

const root = fileURLToPath(new URL('.', import.meta.url));
const target = process.argv[2] ?? path.join(root, 'dist/package');
const code = path.join(target, 'dist');
const json = (file, value) => writeFile(file, `${JSON.stringify(value, null, 2)}\n`);

await rm(target, { recursive: true, force: true });
await Promise.all([bundle('esm', code), bundle('cjs', code), bundleGrpc(code)]);
await cp(path.join(root, 'proto'), path.join(target, 'proto'), {
  recursive: true,
  dereference: true,
});
await cp(path.join(root, 'README.md'), path.join(target, 'README.md'));

// Twice the same, because a declaration is of ESM or of CommonJS by the package.json above it.
const files = declarations();
for (const directory of ['types', 'types-cjs']) {
  for (const [name, text] of files) {
    const file = path.join(code, directory, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}
await json(path.join(code, 'types-cjs/package.json'), { type: 'commonjs' });

const entry = (name) => ({
  import: { types: `./dist/types/${name}.d.ts`, default: `./dist/${name}.js` },
  require: { types: `./dist/types-cjs/${name}.d.ts`, default: `./dist/${name}.cjs` },
});
const {
  private: _,
  nx: __,
  ...manifest
} = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8'));
await json(path.join(target, 'package.json'), {
  ...manifest,
  exports: { '.': entry('index'), './testing': entry('testing') },
  browser: { ws: false, './dist/grpc.js': false },
});
