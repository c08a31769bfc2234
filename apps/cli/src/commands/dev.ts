import type { Command } from 'commander';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { Cli } from '../cli.js';
import { CliError } from '../exit-code.js';

const SERVER = 'apps/standalone/dist/main.js';

export function addDev(program: Command, cli: Cli): void {
  program
    .command('dev')
    .description('run a whole server here, until Ctrl-C (as `npm start` in the repository)')
    .addHelpText('after', '\nPORT, GRPC_PORT, SPOOLED_DATA_DIR and the others are passed on.')
    .action(() => dev(cli));
}

/** The server is a process of its own; this one passes signals on and ends as it does. */
async function dev({ signal }: Cli): Promise<void> {
  const main = findServer();
  const child = spawn(process.execPath, ['--enable-source-maps', main], {
    cwd: path.resolve(path.dirname(main), '../../..'),
    stdio: 'inherit',
    // A terminal sends Ctrl-C to the whole group; the server must get it once, from here.
    detached: true,
  });
  const stop = () => child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  const ended = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, name) => resolve(code ?? 128 + constants.signals[name ?? 'SIGTERM']));
  });
  signal.removeEventListener('abort', stop);
  if (ended !== 0) throw new CliError(`The server ended with code ${ended}.`);
}

/** In the checkout that this command is a part of, or that it is called in. */
function findServer(): string {
  const starts = [path.dirname(fileURLToPath(import.meta.url)), process.cwd()];
  for (const start of starts) {
    for (let at = start; ; at = path.dirname(at)) {
      const candidate = path.join(at, SERVER);
      if (existsSync(candidate)) return candidate;
      if (at === path.dirname(at)) break;
    }
  }
  throw new CliError('The server is not here: run this in a checkout of Spooled, after npm start.');
}
