import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { onCleanUp } from '@spooled/testing';

import { findRevision } from './previous-release.js';

describe('a revision', () => {
  let directory: string;
  let origin: string;
  let first: string;

  beforeAll(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'spooled-revisions-'));
    onCleanUp(() => rmSync(directory, { recursive: true, force: true }));
    origin = path.join(directory, 'origin');
    git('init', '--quiet', origin);
    commit('one');
    git('-C', origin, 'tag', 'v0.0.1');
    commit('two');
    first = git('-C', origin, 'rev-parse', 'v0.0.1');
  });

  it('is found by its tag and by its commit', () => {
    expect(findRevision('v0.0.1', origin)).toBe(first);
    expect(findRevision(first, origin)).toBe(first);
  });

  it.each(['its tag', 'its commit'])('is fetched by %s where history was cut off', (by) => {
    const clone = path.join(directory, `shallow-${by.at(-1)}`);
    git('clone', '--quiet', '--depth=1', `file://${origin}`, clone);
    expect(findRevision(by === 'its tag' ? 'v0.0.1' : first, clone)).toBe(first);
  });

  it('that cannot be had says why', () => {
    expect(() => findRevision('v9', origin)).toThrow('there is no remote');
    const clone = path.join(directory, 'clone');
    git('clone', '--quiet', `file://${origin}`, clone);
    expect(() => findRevision('v9', clone)).toThrow(/cannot be fetched: git fetch: .*v9/s);
    expect(() => findRevision('v9', directory)).toThrow(/not a git repository/);
  });

  function commit(message: string): void {
    const author = ['-c', 'user.name=Test', '-c', 'user.email=test@example.com'];
    git('-C', origin, ...author, 'commit', '--quiet', '--allow-empty', '-m', message);
  }
});

function git(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('git', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
}
