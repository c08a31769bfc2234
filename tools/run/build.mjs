/** dist/ of every project, through Nx, which needs 1-1.5 s to find that nothing changed: looked up here in 10 ms. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { environment, root } from './child.mjs';

/** Below a project: its sources, and what else a build of pages reads. */
const builtFrom = /^(src|server|public)\/.*\.|^(index\.html|vite\.config\.mjs)$/;

const stampFile = path.join(root, 'node_modules/.spooled-build');

export function build() {
  const projects = projectDirectories();
  const wanted = fingerprint(projects);
  const isBuilt = projects.every((project) => existsSync(path.join(project, 'dist')));
  if (isBuilt && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === wanted) return;
  const nx = path.join(root, 'node_modules/.bin/nx');
  const { status, stdout, stderr, error } = spawnSync(nx, ['run-many', '-t', 'build'], {
    cwd: root,
    env: { ...environment, NX_DAEMON: 'false', NX_TUI: 'false' },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${stdout}${stderr}\nThe build failed (see above).`);
  writeFileSync(stampFile, wanted);
}

function projectDirectories() {
  return ['apps', 'libs', 'libs/platform']
    .flatMap((parent) =>
      readdirSync(path.join(root, parent)).map((name) => path.join(parent, name)),
    )
    .map((directory) => path.join(root, directory))
    .filter(hasBuild);
}

/** Tests, for one, are not built. */
function hasBuild(project) {
  const manifest = path.join(project, 'package.json');
  if (!existsSync(manifest)) return false;
  return JSON.parse(readFileSync(manifest, 'utf8')).nx?.targets?.build !== undefined;
}

/** Names, sizes and times of everything that a build reads. */
function fingerprint(projects) {
  const shared = ['.swcrc', 'nx.json', 'tools/build.mjs', 'apps/cli/build.mjs'].map((file) =>
    path.join(root, file),
  );
  const sources = projects.flatMap((project) =>
    readdirSync(project, { recursive: true })
      .filter((name) => builtFrom.test(name) && !name.endsWith('.spec.ts'))
      .map((name) => path.join(project, name)),
  );
  const hash = createHash('sha256');
  for (const file of [...shared, ...sources].sort()) {
    const { size, mtimeMs } = statSync(file);
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}
