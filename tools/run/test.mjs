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

/** More files than this fail for a reason, not by chance. */
const maxFilesRunAgain = 3;

/** @param args passed to jest: paths, -t and so on. Resolves with the exit code. */
export async function runTests(args) {
  await ensureHelm(args);
  const directory = mkdtempSync(path.join(tmpdir(), 'spooled-results-'));
  const total = { passed: 0, failed: 0, skipped: 0, brokenFiles: 0, flaky: [] };
  let exitCode = 0;
  for (const [index, phase] of phases.entries()) {
    console.log(`\n== ${phase.name} tests`);
    const roots = phase.roots.map((each) => path.join(root, each));
    const results = path.join(directory, `${index}.json`);
    const code = await runJest([...phase.args, ...roots], results, args);
    if (code > 128) {
      exitCode = code;
      break;
    }
    const files = readResults(results);
    const again = await runFailedAgain(files, path.join(directory, `${index}-again.json`), args);
    count(total, files, again);
    // Jest fails without a failed file, too: when no test fits the arguments, or it could not start.
    if (code !== 0 && !isMended(files, again)) exitCode ||= code;
  }
  rmSync(directory, { recursive: true });
  if (total.brokenFiles > 0) console.log(`${total.brokenFiles} test files could not run`);
  for (const test of total.flaky) console.log(`FLAKY, passed the second time: ${test}`);
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  if (exitCode === 0 && total.passed === 0) {
    console.error('No test ran.');
    return 1;
  }
  return exitCode;
}

function runJest(phase, results, args) {
  return runChild(pinnedNode, [...jest, ...phase, '--json', `--outputFile=${results}`, ...args]);
}

/**
 * A file that failed is run once more, alone on the machine: what fails again is broken. What does not is told as flaky,
 * which is a defect as well, but none of the change that is tested.
 */
async function runFailedAgain(files, results, args) {
  const failed = files.filter(({ status }) => status === 'failed').map(({ name }) => name);
  if (failed.length === 0 || failed.length > maxFilesRunAgain) return [];
  console.log(`\n== once more: ${failed.map((file) => path.relative(root, file)).join(', ')}`);
  await runJest(['--maxWorkers=1', '--runTestsByPath', ...failed], results, optionsOf(args));
  return readResults(results);
}

function isMended(files, again) {
  const failed = files.filter(({ status }) => status === 'failed').length;
  return failed > 0 && again.filter(({ status }) => status === 'passed').length === failed;
}

/** Without the paths: the files are named already. */
function optionsOf(args) {
  const first = args.findIndex((each) => each.startsWith('-'));
  return first === -1 ? [] : args.slice(first);
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

/** Jest's results by file; none when it ended before it could write them, which its exit code says. */
function readResults(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).testResults;
  } catch {
    return [];
  }
}

/** The second result of a file counts instead of the first. */
function count(total, files, again) {
  const second = new Map(again.map((file) => [file.name, file]));
  for (const first of files) {
    const file = second.get(first.name) ?? first;
    const tests = file.assertionResults;
    const counted = (...states) => tests.filter(({ status }) => states.includes(status)).length;
    total.passed += counted('passed');
    total.failed += counted('failed');
    total.skipped += counted('pending', 'todo', 'skipped');
    if (file.status === 'failed' && tests.length === 0) total.brokenFiles += 1;
    if (file === first || file.status !== 'passed') continue;
    const names = first.assertionResults
      .filter(({ status }) => status === 'failed')
      .map(({ fullName }) => fullName);
    total.flaky.push(`${path.relative(root, file.name)}: ${names.join('; ') || first.message}`);
  }
}
