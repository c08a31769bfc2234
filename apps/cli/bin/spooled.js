#!/usr/bin/env node
import { existsSync } from 'node:fs';
import process from 'node:process';

const [major] = process.versions.node.split('.');
if (Number(major) < 22) {
  process.stderr.write(`spooled needs Node 22 or newer; this is ${process.version}.\n`);
  process.exit(1);
}
// A fresh checkout has no dist/ yet; a published package always has.
if (!existsSync(new URL('../dist/main.js', import.meta.url))) {
  process.stderr.write('Building spooled (once)…\n');
  const { build } = await import('../../../tools/run/build.mjs');
  build();
}
await import('../dist/main.js');
