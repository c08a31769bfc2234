/** Finds a nats-server executable, or fetches one into node_modules/.cache: no npm package ships it. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  access,
  chmod,
  constants,
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export interface NatsBinaryOptions {
  env?: NodeJS.ProcessEnv;
  cacheDir?: string;
  /** One line for a person when something takes time. */
  onProgress?: (line: string) => void;
  /** Tests replace the pinned one. */
  release?: NatsRelease;
}

export interface NatsRelease {
  version: string;
  baseUrl: string;
  /** `<os>-<architecture>` → SHA-256 of its .tar.gz. */
  sha256: ReadonlyMap<string, string>;
}

const runFile = promisify(execFile);

const oldestVersion = [2, 9, 10] as const;

/** Source: the SHA256SUMS of the release, as github.com/cashapp/hermit-packages nats-server.hcl records them. */
const pinnedRelease: NatsRelease = {
  version: '2.12.2',
  baseUrl: 'https://github.com/nats-io/nats-server/releases/download',
  sha256: new Map([
    ['linux-amd64', 'db587fd8b36ac732a8434e748b026ef77ed9cb714a4e57bd010b1de93c2f3801'],
    ['linux-arm64', '84d33b50a39bab605b0d5e0223fc15979ef97419b2184a5a5b7eb6a6d7561fc6'],
    ['darwin-amd64', '5b52fb4968d72b3368c2d626107a86293daab30b7dd16179db7522f54ca0beb0'],
    ['darwin-arm64', 'd1e6d2cb36bf20e0ba8c2f50eeb4e6ea57f38353823fc77127dd676219591eea'],
  ]),
};

const workspaceCache = fileURLToPath(
  new URL('../../../../node_modules/.cache/spooled', import.meta.url),
);

/**
 * The path of a nats-server ≥ 2.9.10, from the first place that has one: NATS_SERVER_BIN, PATH, the cache of earlier
 * runs, the Debian package, the official release. NATS_RELEASE_URL stands in for the release's address (a mirror).
 * @throws Error that says what was tried and what to do.
 */
export async function findOrInstallNatsServer(options: NatsBinaryOptions = {}): Promise<string> {
  const env = options.env ?? process.env;
  const cached = join(options.cacheDir ?? workspaceCache, 'nats-server');
  const progress = options.onProgress ?? (() => undefined);

  const named = env['NATS_SERVER_BIN'];
  if (named) {
    const problem = await whyUnusable(named);
    if (problem) throw new Error(`NATS_SERVER_BIN is ${named}, which ${problem}.`);
    return named;
  }
  const tried: string[] = [];
  for (const candidate of [...onPath(env), cached]) {
    const problem = await whyUnusable(candidate);
    if (!problem) return candidate;
    if (problem !== 'is not there') tried.push(`${candidate} ${problem}`);
  }
  const release = options.release ?? pinnedRelease;
  for (const fetchInto of [fromDebian, fromRelease]) {
    try {
      await intoCache(cached, (directory) => fetchInto({ directory, env, progress, release }));
      return cached;
    } catch (error) {
      tried.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(
    `Spooled needs nats-server 2.9.10 or newer and could not get one:\n${tried.map((line) => `  - ${line}`).join('\n')}\n` +
      'Install it (https://docs.nats.io/running-a-nats-service/introduction/installation), name it in NATS_SERVER_BIN, ' +
      'or set NATS_URL to a running server.',
  );
}

function onPath(env: NodeJS.ProcessEnv): string[] {
  return (env['PATH'] ?? '')
    .split(delimiter)
    .filter(Boolean)
    .map((directory) => join(directory, 'nats-server'));
}

async function whyUnusable(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK);
  } catch {
    return 'is not there';
  }
  const { stdout } = await runFile(path, ['--version']).catch(() => ({ stdout: '' }));
  const version = /v(\d+)\.(\d+)\.(\d+)/.exec(stdout)?.slice(1).map(Number);
  if (!version) return 'does not run';
  return isRecentEnough(version) ? undefined : `is too old (${version.join('.')})`;
}

function isRecentEnough(version: readonly number[]): boolean {
  for (const [index, oldest] of oldestVersion.entries()) {
    const part = version[index] ?? 0;
    if (part !== oldest) return part > oldest;
  }
  return true;
}

interface Fetch {
  /** Empty, removed afterwards. */
  directory: string;
  env: NodeJS.ProcessEnv;
  progress: (line: string) => void;
  release: NatsRelease;
}

/** Works in a directory of its own and renames last: two installers at once, or a crash, leave no half a binary. */
async function intoCache(
  target: string,
  fetchInto: (directory: string) => Promise<string>,
): Promise<void> {
  const parent = join(target, '..');
  await mkdir(parent, { recursive: true });
  const directory = await mkdtemp(join(parent, 'nats-server-'));
  try {
    const binary = await fetchInto(directory);
    await chmod(binary, 0o755);
    const problem = await whyUnusable(binary);
    if (problem) throw new Error(`the nats-server that was fetched ${problem}`);
    await rename(binary, target);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Unpacked, not installed: the package's maintainer script would start a service on port 4222. apt checks the signature. */
async function fromDebian({ directory, env, progress }: Fetch): Promise<string> {
  const download = (): Promise<unknown> =>
    runFile('apt-get', ['download', '-qq', 'nats-server'], { cwd: directory, env });
  try {
    await runFile('apt-get', ['--version'], { env });
  } catch {
    throw new Error('this machine has no apt-get, so no Debian package');
  }
  progress('Fetching nats-server (Debian package)…');
  try {
    await download().catch(async () => {
      await runFile(...asRoot(['apt-get', 'update', '-qq']), { env });
      await download();
    });
  } catch (error) {
    throw new Error('the Debian package nats-server could not be downloaded', { cause: error });
  }
  const archive = (await readdir(directory)).find((name) => name.endsWith('.deb'));
  if (!archive) throw new Error('apt-get downloaded nothing');
  await runFile('dpkg-deb', ['-x', join(directory, archive), directory], { env });
  return join(directory, 'usr/sbin/nats-server');
}

function asRoot([command = '', ...args]: string[]): [string, string[]] {
  return process.getuid?.() === 0 ? [command, args] : ['sudo', ['-n', command, ...args]];
}

async function fromRelease({ directory, env, progress, release }: Fetch): Promise<string> {
  const platform = `${process.platform}-${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const expected = release.sha256.get(platform);
  if (!expected) throw new Error(`no checksum is known of an official release for ${platform}`);
  const name = `nats-server-v${release.version}-${platform}`;
  const url = `${env['NATS_RELEASE_URL'] ?? release.baseUrl}/v${release.version}/${name}.tar.gz`;
  progress(`Fetching nats-server ${release.version} (official release)…`);
  const archive = await fetchBytes(url);
  const actual = createHash('sha256').update(archive).digest('hex');
  if (actual !== expected) {
    throw new Error(`${url} has the SHA-256 ${actual}, not the pinned ${expected}: not used`);
  }
  await writeFile(join(directory, 'release.tar.gz'), archive);
  await runFile('tar', ['-xzf', 'release.tar.gz', `${name}/nats-server`], {
    cwd: directory,
    env,
  });
  return join(directory, name, 'nats-server');
}

async function fetchBytes(url: string): Promise<Buffer> {
  let reason: unknown;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(120_000) });
    if (response.ok) return Buffer.from(await response.arrayBuffer());
    reason = `HTTP ${response.status}`;
  } catch (error) {
    reason = error instanceof Error && error.cause instanceof Error ? error.cause.message : error;
  }
  throw new Error(`${url} could not be fetched (${String(reason)})`);
}
