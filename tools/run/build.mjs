/** dist/ of every project, through Nx: 2 s for everything, 0.9 s when nothing changed (its cache). */
import { spawnSync } from 'node:child_process';
import path from 'node:path';

import { environment, root } from './child.mjs';

export function build() {
  const nx = path.join(root, 'node_modules/.bin/nx');
  const { status, stdout, stderr, error } = spawnSync(nx, ['run-many', '-t', 'build'], {
    cwd: root,
    env: { ...environment, NX_DAEMON: 'false', NX_TUI: 'false' },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${stdout}${stderr}\nThe build failed (see above).`);
}
