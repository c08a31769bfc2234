import type { Command } from 'commander';

import type { Cli } from '../cli.js';
import { usageError } from '../exit-code.js';

export function addTop(program: Command, cli: Cli): void {
  program
    .command('top')
    .description('queues, workers and jobs, live; q or Ctrl-C ends it')
    .action(() => top(cli));
}

async function top({ account, client, output, signal }: Cli): Promise<void> {
  if (!process.stdout.isTTY || output.isJson) {
    throw usageError('top draws on a terminal; for programs there is `spooled events --json`.');
  }
  await client.organizations.list({ signal });
  // The library that draws is loaded by who needs it.
  const { runTop } = await import('../top/live.js');
  await runTop({ client, server: account.url, paint: output.page.paint, signal });
}
