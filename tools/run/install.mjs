/** node_modules, as package-lock.json says. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

import { root } from './child.mjs';

const lockFile = path.join(root, 'package-lock.json');
const stampFile = path.join(root, 'node_modules/.spooled-install');

export function install() {
  const wanted = existsSync(lockFile)
    ? createHash('sha256').update(readFileSync(lockFile)).digest('hex')
    : 'no lock file';
  if (isInstalled(wanted)) return;
  console.log('Installing dependencies (a minute, once)…');
  // npm replaces node_modules, so it must not run on the Node that lives there.
  const PATH = process.env.PATH.split(path.delimiter)
    .filter((directory) => !directory.endsWith('node_modules/.bin'))
    .join(path.delimiter);
  const command = existsSync(lockFile) ? 'ci' : 'install';
  const args = [command, '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status } = spawnSync('npm', args, {
    cwd: root,
    env: { ...process.env, PATH },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) throw new Error(`npm ${command} failed (see above)`);
  writeFileSync(stampFile, wanted);
}

/** By our stamp, or because somebody ran npm after the lock file was last written. */
function isInstalled(wanted) {
  try {
    if (readFileSync(stampFile, 'utf8') === wanted) return true;
  } catch {
    // Never installed by us.
  }
  try {
    const installed = statSync(path.join(root, 'node_modules/.package-lock.json'));
    if (installed.mtimeMs < statSync(lockFile).mtimeMs) return false;
    writeFileSync(stampFile, wanted);
    return true;
  } catch {
    return false;
  }
}
