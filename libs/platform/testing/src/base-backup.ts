import { execFile } from 'node:child_process';
import { chown, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import type { PostgresServer } from '@spooled/embedded';

import { withClient } from './shared-servers.js';

const run = promisify(execFile);

/**
 * Copies the files of `server`, which works on, into the new directory `backup`, as pg_basebackup does: the embedded
 * PostgreSQL comes without it.
 */
export async function baseBackup({ url, dir }: PostgresServer, backup: string): Promise<void> {
  await withClient(url, async (owner) => {
    await owner.query(`select pg_backup_start('test', fast => true)`);
    // Files that vanish meanwhile are as good as copied: the write-ahead log repeats what became of them.
    await run('cp', ['-a', dir, backup]).catch((error: Error & { stderr: string }) => {
      const problems = error.stderr.trim().split('\n');
      if (!problems.every((line) => /No such file/.test(line))) throw error;
    });
    const { rows } = await owner.query<{ labelfile: string }>(
      'select labelfile from pg_backup_stop(wait_for_archive => false)',
    );
    await run('cp', ['-a', join(dir, 'pg_wal'), backup]);
    await writeOwned(backup, 'backup_label', rows[0]?.labelfile ?? '');
    await rm(join(backup, 'postmaster.pid'));
  });
}

/** A file that belongs to whoever `directory` belongs to. */
export async function writeOwned(directory: string, name: string, text: string): Promise<void> {
  const path = join(directory, name);
  await writeFile(path, text);
  const { uid, gid } = await stat(directory);
  await chown(path, uid, gid);
}
