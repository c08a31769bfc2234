#!/usr/bin/env node
/**
 * What the npm scripts call: `node tools/run.mjs <task> [arguments]`, where a task is `test` or one of the targets below.
 * Needs Node 20 and npm, nothing else: installs and builds what is missing or out of date, then runs the task on the Node
 * version that package.json pins.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

import { build } from './run/build.mjs';
import { install } from './run/install.mjs';
import { pinnedNode, root, runChild } from './run/child.mjs';
import { runTests } from './run/test.mjs';

const targets = {
  start: 'apps/standalone/dist/main.js',
  services: 'tools/services.mjs',
  bench: 'tools/bench/main.mjs',
  conformance: 'tools/conformance/main.mjs',
  k8s: 'tools/k8s/main.mjs',
  demo: 'tools/demo/main.mjs',
  distribute: 'tools/distribute.mjs',
  screenshots: 'tools/screenshots.mjs',
};

const [task = '', ...args] = process.argv.slice(2);
if (task !== 'test' && !(task in targets)) {
  console.error(`usage: node tools/run.mjs test|${Object.keys(targets).join('|')} [arguments]`);
  process.exit(2);
}
try {
  install();
  // The first looks at a server that runs already, the second at files.
  if (task !== 'conformance' && task !== 'k8s') {
    build();
    // These use a server that runs already, or none.
    if (!['demo', 'distribute', 'screenshots'].includes(task)) await ensureNatsServer();
  }
  process.exitCode = task === 'test' ? await runTests(args) : await runTarget(targets[task], args);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

function runTarget(target, args) {
  if (!existsSync(path.join(root, target))) throw new Error(`${target} is missing`);
  return runChild(pinnedNode, ['--enable-source-maps', target, ...args]);
}

/** Before anything starts, because it may take a minute the first time and has something to say if it fails. */
async function ensureNatsServer() {
  if (process.env.NATS_URL && task !== 'test') return;
  const { findOrInstallNatsServer } = await import('../libs/platform/embedded/dist/nats-binary.js');
  await findOrInstallNatsServer({ onProgress: (line) => console.log(line) });
}
