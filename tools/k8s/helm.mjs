/** The helm executable: named, on PATH, from an earlier run, or built from the Go module, which go.sum's database vouches for. */
import { execFile } from 'node:child_process';
import { access, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

import { root } from '../run/child.mjs';

const runFile = promisify(execFile);
const version = 'v4.3.2';
const oldestMajor = 3;
export class NoHelm extends Error {}

const cached = path.join(root, 'node_modules/.cache/spooled/helm');

/**
 * @param onProgress gets one line for a person before what takes minutes.
 * @throws NoHelm when there is nothing to make one with, or when that failed.
 */
export async function findOrInstallHelm(onProgress = () => undefined) {
  const named = process.env.HELM_BIN;
  if (named) return named;
  const onPath = process.env.PATH.split(path.delimiter).map((each) => path.join(each, 'helm'));
  for (const candidate of [...onPath, cached]) {
    if (await isUsable(candidate)) return candidate;
  }
  try {
    await runFile('go', ['version']);
  } catch {
    throw new NoHelm(
      'helm is needed, and there is neither helm nor go here: install one of them (https://helm.sh/docs/intro/install), ' +
        'or name the executable in HELM_BIN.',
    );
  }
  onProgress(`Building helm ${version} (three minutes, once)…`);
  await build();
  return cached;
}

async function isUsable(candidate) {
  try {
    await access(candidate, constants.X_OK);
    return (await majorVersion(candidate)) >= oldestMajor;
  } catch {
    return false;
  }
}

/** Its flags differ between majors. */
export async function majorVersion(helm) {
  const { stdout } = await runFile(helm, ['version', '--template', '{{.Version}}']);
  return Number(/^v(\d+)\./.exec(stdout)?.[1]);
}

/** In a directory of its own and renamed last: two at once, or a crash, leave no half a binary. */
async function build() {
  const parent = path.dirname(cached);
  await mkdir(parent, { recursive: true });
  const directory = await mkdtemp(path.join(parent, 'helm-'));
  try {
    const module = `helm.sh/helm/v${version[1]}/cmd/helm@${version}`;
    await runFile('go', ['install', '-ldflags=-s -w', module], {
      env: { ...process.env, GOBIN: directory, GOFLAGS: '-mod=mod', CGO_ENABLED: '0' },
    });
    await rename(path.join(directory, 'helm'), cached);
  } catch (error) {
    throw new NoHelm(`helm ${version} could not be built:\n${error.stderr ?? error.message}`, {
      cause: error,
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
