import { password, text } from '@clack/prompts';
import type { Command } from 'commander';
import { createInterface } from 'node:readline';

import { Api } from '../api.js';
import type { Cli } from '../cli.js';
import { CliError, exitCodes, usageError } from '../exit-code.js';
import { table } from '../output/table.js';
import { serverUrl } from '../profiles/account.js';

const DEFAULT_URL = 'http://localhost:8080';

export function addLogin(program: Command, cli: Cli): void {
  program
    .command('login')
    .description('keep a server and its key as a profile; asks for what is not given')
    .addHelpText('after', '\nWithout a terminal the key is read from stdin.')
    .action(() => login(cli));

  const profiles = program.command('profiles').description('servers and keys that are kept');

  profiles
    .command('list')
    .description('profiles, never their keys')
    .action(() => listProfiles(cli));

  profiles
    .command('use <name>')
    .description('take this one from now on')
    .action(async (name: string) => {
      assertThere(cli, name);
      cli.profiles.use(name);
      await cli.output.result({ current: name }, () => `${name} is in use.`);
    });

  profiles
    .command('remove <name>')
    .description('forget a server and its key')
    .action(async (name: string) => {
      assertThere(cli, name);
      cli.profiles.remove(name);
      await cli.output.result({ removed: name }, () => `${name} is removed.`);
    });
}

async function login(cli: Cli): Promise<void> {
  const { options, environment, output, profiles, signal } = cli;
  const given = options();
  const name = given.profile ?? profiles.read().current;
  const known = profiles.get(name)?.url;
  const url = serverUrl(given.url ?? environment.url ?? (await askUrl(known)));
  const apiKey = given.apiKey ?? environment.apiKey ?? (await askKey());
  const { client } = new Api({ profile: name, url, apiKey });
  // The key is tried before it is kept.
  const [organization] = await client.organizations.list({ signal });
  profiles.save(name, { url, apiKey }, { isCurrent: true });
  await output.result(
    { profile: name, url, organization: organization?.name, plan: organization?.planTier },
    () => `Signed in to ${organization?.name} (${organization?.planTier}) as profile ${name}.`,
  );
}

function canAsk(): boolean {
  return process.stdin.isTTY && process.stdout.isTTY;
}

async function askUrl(known = DEFAULT_URL): Promise<string> {
  if (!canAsk()) return known;
  return answered(await text({ message: 'Server', initialValue: known }));
}

async function askKey(): Promise<string> {
  const key = canAsk()
    ? answered(await password({ message: 'API key', mask: '•' }))
    : await firstLine();
  if (key.trim() === '') throw usageError('No key was given.');
  return key.trim();
}

function answered(answer: string | symbol): string {
  if (typeof answer === 'string') return answer;
  throw new CliError('Interrupted.', exitCodes.interrupted, 'INTERRUPTED');
}

async function firstLine(): Promise<string> {
  for await (const line of createInterface({ input: process.stdin })) return line;
  return '';
}

async function listProfiles({ profiles, output }: Cli): Promise<void> {
  const { current, profiles: kept } = profiles.read();
  const rows = Object.entries(kept).map(([name, { url, apiKey }]) => ({
    name,
    url,
    current: name === current,
    has_key: apiKey !== undefined,
  }));
  await output.result(rows, (page) =>
    rows.length === 0
      ? 'No profiles: run `spooled login`.'
      : table(
          rows,
          [
            { title: '', of: ({ current: isCurrent }) => (isCurrent ? '*' : ' ') },
            { title: 'NAME', of: ({ name }) => name },
            { title: 'SERVER', of: ({ url }) => url },
            { title: 'KEY', of: ({ has_key }) => (has_key ? 'yes' : 'no') },
          ],
          page,
        ),
  );
}

function assertThere(cli: Cli, name: string): void {
  if (cli.profiles.get(name) !== undefined) return;
  throw new CliError(`There is no profile ${name}.`, exitCodes.notFound, 'NOT_FOUND');
}
