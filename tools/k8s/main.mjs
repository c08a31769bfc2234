/** `npm run k8s -- <command>`: what a platform team does with k8s/ (docs/operations.md). */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';

import { parseAllDocuments } from 'yaml';

import { writeDashboards } from './dashboards.mjs';
import {
  chart,
  chosenParts,
  environmentNames,
  pin,
  readEnvironment,
  shared,
  whyUnpublished,
} from './environments.mjs';
import { findOrInstallHelm, majorVersion } from './helm.mjs';
import { problemsOf } from './policy.mjs';
import { schemaProblems } from './validate.mjs';

const usage = `usage: npm run k8s -- <command>
  render  <environment> [part]           the objects, as YAML
  diff    <environment> [part]           what a rollout would change in the cluster
  rollout <environment> [part]           upgrade or install; goes back by itself when it fails
  pin     <environment> <service> <digest>   the image that a service runs
  check   [environment]                  lint, render, schemas, policy
  dashboards                             write k8s/chart/files/dashboards
A part is a service, or \`${shared}\`: routing, default-deny, alerts, dashboards, tests. Without one: everything.`;

const commands = { render, diff, rollout, check, pin: pinImage, dashboards: writeDashboards };

const [command = '', ...args] = process.argv.slice(2);
try {
  if (!(command in commands)) throw new Error(usage);
  process.exitCode = await commands[command](...args);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}

async function render(name, part) {
  const environment = readEnvironment(name);
  if (part !== undefined) chosenParts(environment, part);
  process.stdout.write(await template(environment, part));
}

/** All in one call when no part is named: the parts have no object in common. */
async function template({ valueFiles, namespace }, part = '', flags = []) {
  const values = valueFiles.flatMap((file) => ['--values', file]);
  const own = ['template', releaseOf(part || shared), chart, '--namespace', namespace, ...flags];
  return helm([...own, ...values, '--set', `part=${part}`]);
}

async function diff(name, part) {
  const environment = readEnvironment(name);
  let isDifferent = false;
  for (const each of chosenParts(environment, part)) {
    const wanted = await template(environment, each, ['--no-hooks']);
    const present = await helm(['get', 'manifest', releaseOf(each), ...target(environment)], {
      orElse: (problem) => (problem.includes('not found') ? '' : undefined),
    });
    isDifferent = showDifference(releaseOf(each), present, wanted) || isDifferent;
  }
  console.log(isDifferent ? '' : 'Nothing would change.');
}

function showDifference(release, present, wanted) {
  const directory = mkdtempSync(path.join(tmpdir(), 'spooled-diff-'));
  try {
    for (const [side, text] of Object.entries({ present, wanted })) {
      writeFileSync(path.join(directory, side), normal(text));
    }
    const git = ['diff', '--no-index', '--exit-code', 'present', 'wanted'];
    const { status } = spawnSync('git', git, { cwd: directory, stdio: 'inherit' });
    if (status !== 0) console.log(`^ release ${release}\n`);
    return status !== 0;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Objects in the order of their names: the order of helm's output says nothing. */
function normal(manifests) {
  const texts = manifests.split(/^---$/m).map((text) => text.trim());
  return `${texts.filter(Boolean).sort().join('\n---\n')}\n`;
}

async function rollout(name, part) {
  const environment = readEnvironment(name);
  const parts = chosenParts(environment, part);
  const problems = parts.map((each) => whyUnpublished(environment, each)).filter(Boolean);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  const goBack = (await majorVersion(await findHelm())) >= 4 ? '--rollback-on-failure' : '--atomic';
  const values = environment.valueFiles.flatMap((file) => ['--values', file]);
  for (const each of parts) {
    const release = releaseOf(each);
    console.log(`\n== ${release} in ${environment.namespace} of ${environment.kubeContext}`);
    const own = ['upgrade', '--install', release, chart, ...target(environment)];
    const careful = [goBack, '--wait', '--timeout', '15m', '--history-max', '20'];
    await helm([...own, ...careful, ...values, '--set', `part=${each}`], { stdio: 'inherit' });
  }
}

function target({ kubeContext, namespace }) {
  return ['--kube-context', kubeContext, '--namespace', namespace];
}

/** Of one release per part, each with its own history to go back to. */
function releaseOf(part) {
  return `spooled-${part}`;
}

async function check(...names) {
  let count = 0;
  for (const name of names.length > 0 ? names : environmentNames) {
    const environment = readEnvironment(name);
    const values = environment.valueFiles.flatMap((file) => ['--values', file]);
    await helm(['lint', '--strict', '--quiet', chart, ...values]);
    const objects = objectsIn(await template(environment));
    const schemas = schemaProblems(objects);
    const problems = [...problemsOf(objects, name), ...(schemas ?? [])];
    const bySchema =
      schemas === undefined ? ' (schemas not checked: no kubernetes-validate here)' : '';
    console.log(`${name}: ${objects.length} objects, ${problems.length} problems${bySchema}`);
    for (const problem of problems) console.log(`  ${problem}`);
    count += problems.length;
  }
  return count === 0 ? 0 : 1;
}

function objectsIn(text) {
  return parseAllDocuments(text)
    .map((document) => document.toJS())
    .filter(Boolean);
}

function pinImage(name, service, digest) {
  const environment = readEnvironment(name);
  if (service === shared) throw new Error(`${shared} runs no image.`);
  chosenParts(environment, service ?? '');
  console.log(`${pin(environment, service, digest)} runs ${digest} at the next rollout.`);
}

function findHelm() {
  return findOrInstallHelm((line) => console.error(line));
}

/** Its output; `orElse` may turn a failure into one. @throws Error with what helm said. */
async function helm(args, { stdio = 'pipe', orElse = () => undefined } = {}) {
  const { status, stdout, stderr, error } = spawnSync(await findHelm(), args, {
    encoding: 'utf8',
    stdio,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error) throw error;
  if (status === 0) return stdout ?? '';
  const instead = orElse(stderr ?? '');
  if (instead !== undefined) return instead;
  throw new Error(`helm ${args.slice(0, 2).join(' ')} failed:\n${stdout ?? ''}${stderr ?? ''}`);
}
