import { statSync } from 'node:fs';
import type { Command } from 'commander';

import type { Cli } from '../cli.js';
import { CliError } from '../exit-code.js';
import { looked, type Check } from '../doctor/check.js';
import { accountChecks, serverChecks } from '../doctor/server.js';
import type { Tone } from '../output/style.js';
import type { Page } from '../output/table.js';
import { harmless, padded } from '../output/text.js';

const tones: Readonly<Record<Check['status'], Tone>> = {
  ok: 'good',
  warning: 'warning',
  failed: 'bad',
  skipped: 'dim',
};

export function addDoctor(program: Command, cli: Cli): void {
  program
    .command('doctor')
    .description('look for what is wrong: here, on the server, in its database and bus')
    .addHelpText(
      'after',
      '\nDATABASE_URL: which of its servers takes writes, is the role bound by row level security, and is that on' +
        '\nfor every table of tenants?' +
        '\nNATS_URL: is JetStream on, and does it flush to disk? (NATS_MONITOR_URL: its monitoring port)' +
        '\nCode 1 when a check failed.',
    )
    .action(async () => {
      const checks = await examine(cli);
      const failed = checks.filter(({ status }) => status === 'failed').length;
      await cli.output.result({ ok: failed === 0, checks }, (page) => describe(checks, page));
      if (failed > 0) throw new CliError(`${failed} of ${checks.length} checks failed.`);
    });
}

async function examine(cli: Cli): Promise<Check[]> {
  const { environment, account, signal } = cli;
  const { databaseUrl, natsUrl, natsMonitorUrl, version } = environment;
  const server = await serverChecks(account.url, signal);
  const isThere = server[0]?.status === 'ok';
  return [
    ...profileChecks(cli.profiles.file),
    ...server,
    ...(isThere ? await looked('key', () => accountChecks(cli.client, version, signal)) : []),
    // Their drivers are loaded by who needs them.
    ...(databaseUrl === undefined
      ? []
      : await looked('database', async () => {
          const { databaseChecks } = await import('../doctor/database.js');
          return databaseChecks(databaseUrl);
        })),
    ...(natsUrl === undefined
      ? []
      : await looked('bus', async () => {
          const { busChecks } = await import('../doctor/bus.js');
          return busChecks(natsUrl, natsMonitorUrl, signal);
        })),
  ];
}

function profileChecks(file: string): Check[] {
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined) return [];
  const mode = stats.mode & 0o777;
  const isPrivate = (mode & 0o077) === 0;
  return [
    {
      name: 'profiles',
      status: isPrivate ? 'ok' : 'failed',
      message: isPrivate
        ? `only you can read ${file}`
        : `others can read ${file} (mode ${mode.toString(8)}): chmod 600 it`,
    },
  ];
}

function describe(checks: readonly Check[], { paint }: Page): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  return checks
    .map(
      ({ name, status, message }) =>
        `${paint(tones[status], padded(status, 7))}  ${padded(name, width)}  ${harmless(message)}`,
    )
    .join('\n');
}
