/** The release before this one, as a tree of files that its services run from. */
import { execFile, spawnSync } from 'node:child_process';
import {
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { onCleanUp } from '@spooled/testing';

import { root } from './host.js';

/**
 * What runs beside this version while it is rolled out, and what a roll-back returns to: a tag or a commit. It becomes the
 * tag of each release when that is out (CONTRIBUTING.md). There is none yet, so it is a commit from before the history of
 * jobs, trace contexts and what migrations they needed.
 */
export const PREVIOUS_RELEASE = '4890b5a72d3687aeea98c40ba34013a81f3b5e85';

interface Package {
  readonly name: string;
  readonly workspaces?: readonly string[];
  readonly nx?: { readonly targets?: { readonly build?: { readonly command?: string } } };
}

/** The commit that a revision is, in the repository or where it was cloned from. @throws Error that says why it cannot be had. */
export function findRevision(revision: string, repository = root): string {
  const git = (...args: readonly string[]): string => output('git', args, repository).trim();
  try {
    return git('rev-parse', '--verify', '--quiet', `${revision}^{commit}`);
  } catch {
    // Not here; perhaps because history is cut off here, or tags are missing.
  }
  try {
    const [remote] = git('remote').split('\n');
    if (!remote) throw new Error('there is no remote');
    // A whole history must not be cut off by this.
    const depth = git('rev-parse', '--is-shallow-repository') === 'true' ? ['--depth=1'] : [];
    git('fetch', '--quiet', '--no-tags', ...depth, remote, revision);
    return git('rev-parse', '--verify', 'FETCH_HEAD^{commit}');
  } catch (error) {
    throw new Error(`${revision} is not in this tree and cannot be fetched: ${message(error)}`);
  }
}

/** `describe`, where the previous release can be had; elsewhere its tests are skipped, and that is said. */
export function describeWithPreviousRelease(name: string, tests: (commit: string) => void): void {
  let commit: string;
  try {
    commit = findRevision(PREVIOUS_RELEASE);
  } catch (error) {
    console.error(`THE TESTS OF UPGRADES ARE SKIPPED: ${message(error)}`);
    describe.skip(name, () => tests(''));
    return;
  }
  describe(name, () => tests(commit));
}

/** Checks a commit out beside the working tree and builds it. The directory is gone at the end of the test file. */
export async function checkOut(commit: string): Promise<string> {
  const tree = mkdtempSync(path.join(tmpdir(), 'spooled-previous-'));
  onCleanUp(() => rmSync(tree, { recursive: true, force: true }));
  const archive = path.join(tree, 'archive.tar');
  output('git', ['archive', '--format=tar', `--output=${archive}`, commit], root);
  output('tar', ['-xf', archive], tree);
  const projects = projectsOf(tree);
  linkPackages(tree, projects);
  for (const [project, { nx }] of projects) {
    // The pages and the command line, which no service needs, are built in ways of their own.
    const build = nx?.targets?.build;
    if (build === undefined || build.command !== undefined) continue;
    await promisify(execFile)(process.execPath, ['tools/build.mjs', project], { cwd: tree });
  }
  return tree;
}

function projectsOf(tree: string): Map<string, Package> {
  const { workspaces = [] } = packageOf(tree);
  const manifests = globSync(
    workspaces.map((each) => `${each}/package.json`),
    { cwd: tree },
  );
  return new Map(
    manifests.map(path.dirname).map((project) => [project, packageOf(path.join(tree, project))]),
  );
}

function packageOf(directory: string): Package {
  return JSON.parse(readFileSync(path.join(directory, 'package.json'), 'utf8')) as Package;
}

/** Its own projects, and ours of what others have written: Node finds by real paths, so neither sees more than that. */
function linkPackages(tree: string, projects: ReadonlyMap<string, Package>): void {
  const ours = path.join(root, 'node_modules');
  const theirs = path.join(tree, 'node_modules');
  mkdirSync(path.join(theirs, '@spooled'), { recursive: true });
  for (const name of readdirSync(ours)) {
    if (name.startsWith('.') || name === '@spooled') continue;
    symlinkSync(path.join(ours, name), path.join(theirs, name));
  }
  for (const [project, { name }] of projects) {
    symlinkSync(path.join(tree, project), path.join(theirs, name));
  }
}

/** What a program prints. @throws Error with what it says is wrong. */
function output(program: string, args: readonly string[], cwd: string): string {
  const { error, status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    // Nobody is there to be asked for a password.
    env: { ...process.env, GIT_TERMINAL_PROMPT: '0' },
    timeout: 120_000,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${program} ${args[0]}: ${stderr.trim()}`);
  return stdout;
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
