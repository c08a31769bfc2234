/**
 * A checkout of root's is often in /root, which nobody else may enter, the user `postgres` included. Then binaries and
 * data live under /var/lib/spooled, and a symbolic link stands where the data should be. (Tried and rejected: handing
 * the process CAP_DAC_OVERRIDE. PostgreSQL asks access(2), which ignores capabilities.)
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, cp, lstat, mkdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';

import type { PostgresUser } from './postgres-user.js';

const openDirectory = '/var/lib/spooled';

/** `directory`, or a copy of it that `user` can enter; made once per content of `version`. */
export async function reachableCopy(
  directory: string,
  version: string,
  user: PostgresUser,
): Promise<string> {
  if (canEnter(directory, user)) return directory;
  const copy = join(openDirectory, version);
  if (existsSync(copy)) return copy;
  const unfinished = `${copy}.${process.pid}`;
  await mkdir(openDirectory, { recursive: true, mode: 0o755 });
  await cp(directory, unfinished, { recursive: true, verbatimSymlinks: true });
  await rename(unfinished, copy).catch(() => rm(unfinished, { recursive: true }));
  return copy;
}

/** `directory` (which need not exist), or the one that it is made a link to. */
export async function reachableDirectory(directory: string, user: PostgresUser): Promise<string> {
  const parent = dirname(directory);
  await mkdir(parent, { recursive: true });
  if (canEnter(parent, user)) return directory;
  if (canEnter(dirname(parent), user)) {
    // Only the directory that was given to Spooled is closed (umask, mkdtemp): let others pass through it.
    await chmod(parent, (await stat(parent)).mode | 0o011);
    return directory;
  }
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 16);
  const target = join(openDirectory, `${basename(directory)}-${name}`);
  const present = await lstat(directory).catch(() => undefined);
  if (present?.isSymbolicLink()) return target;
  if (present) {
    throw new Error(
      `the user "postgres" cannot enter ${relative(process.cwd(), parent) || parent}. ` +
        'Move the checkout to where everybody may enter, run as an ordinary user, or set DATABASE_URL.',
    );
  }
  // Without its link it belongs to a data directory that somebody deleted.
  await rm(target, { recursive: true, force: true });
  await mkdir(openDirectory, { recursive: true, mode: 0o755 });
  await symlink(target, directory);
  return target;
}

function canEnter(path: string, { uid, gid }: PostgresUser): boolean {
  if (uid === undefined) return true;
  return spawnSync('test', ['-x', path], { uid, gid, cwd: '/' }).status === 0;
}
