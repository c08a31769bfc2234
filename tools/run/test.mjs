/** `npm test`: unit and integration tests, then the end-to-end stories alone on the machine, then one summary. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';

import { findOrInstallHelm, NoHelm } from '../k8s/helm.mjs';
import { environment, pinnedNode, root, runChild } from './child.mjs';

const jest = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  path.join(root, 'node_modules/jest/bin/jest.js'),
  '--passWithNoTests',
];

const phases = [
  {
    name: 'unit and integration',
    args: ['--maxWorkers=2', '--testPathIgnorePatterns', '/node_modules/', '/apps/e2e/', '--roots'],
    roots: ['apps', 'libs', 'k8s'],
  },
  { name: 'end to end', args: ['--maxWorkers=1', '--roots'], roots: ['apps/e2e'] },
];

/** What Node has compiled once, it does not compile again in each process that a test starts. */
const compileCache = path.join(root, 'node_modules/.cache/node-compile');

/** @param args passed to jest: paths, -t and so on. Resolves with the exit code. */
export async function runTests(args) {
  await ensureHelm(args);
  environment.NODE_COMPILE_CACHE ??= compileCache;
  const directory = mkdtempSync(path.join(tmpdir(), 'spooled-results-'));
  const total = { passed: 0, failed: 0, skipped: 0, brokenFiles: 0 };
  let exitCode = 0;
  for (const [index, phase] of phases.entries()) {
    console.log(`\n== ${phase.name} tests`);
    const results = path.join(directory, `${index}.json`);
    const roots = phase.roots.map((each) => path.join(root, each));
    const code = await runChild(pinnedNode, [
      ...jest,
      ...phase.args,
      ...roots,
      '--json',
      `--outputFile=${results}`,
      ...args,
    ]);
    exitCode ||= code;
    if (code > 128) break;
    count(total, results);
  }
  rmSync(directory, { recursive: true });
  if (total.brokenFiles > 0) console.log(`${total.brokenFiles} test files could not run`);
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  if (exitCode === 0 && total.passed === 0) {
    console.error('No test ran.');
    return 1;
  }
  return exitCode;
}

/** Before the tests of the chart, because it may take minutes the first time. They are skipped where none can be had. */
async function ensureHelm(args) {
  const paths = args.filter((each) => !each.startsWith('-'));
  if (paths.length > 0 && !paths.some((each) => each.includes('k8s'))) return;
  try {
    environment.HELM_BIN = await findOrInstallHelm((line) => console.log(line));
  } catch (error) {
    if (!(error instanceof NoHelm)) throw error;
    console.error(`\nTHE TESTS OF THE CHART ARE SKIPPED: ${error.message}`);
    environment.SPOOLED_NO_HELM = 'true';
  }
}

function count(total, file) {
  let results;
  try {
    results = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    // jest ended before it could write them; its exit code says so.
    return;
  }
  total.passed += results.numPassedTests;
  total.failed += results.numFailedTests;
  total.skipped += results.numPendingTests + results.numTodoTests;
  total.brokenFiles += results.numRuntimeErrorTestSuites;
}
