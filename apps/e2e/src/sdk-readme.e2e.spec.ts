/** The page of the published client does what it says, with the packages as they are built. */
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

import { onCleanUp, spawnProcess } from '@spooled/testing';

import { root } from './harness/host.js';
import { World, type Organization } from './harness/world.js';

let world: World;
let organization: Organization;

beforeAll(async () => {
  world = await World.start('standalone');
  organization = await world.organization('sdk-readme');
});
afterAll(() => world?.stop(), 30_000);

/** The code blocks of the page. */
async function snippets(): Promise<string[]> {
  const page = await readFile(path.join(root, 'libs/sdk/README.md'), 'utf8');
  return [...page.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => code);
}

/** In the repository, where the package is found by its name. */
async function run(name: string, code: string) {
  const file = path.join(root, 'node_modules', `.spooled-${name}-${process.pid}.mjs`);
  await writeFile(file, code);
  onCleanUp(() => rm(file));
  const env = { BASE: world.host.base(), API_KEY: organization.key };
  return spawnProcess({ command: process.execPath, args: [file], env });
}

it('shows a job live in ten lines', async () => {
  const [code = ''] = await snippets();
  const program = await run('ten-lines', code);
  await program.waitForLine(/ { sent: 'ada' }$/, 15_000);
  program.kill('SIGKILL');
});

it('shows events by handler', async () => {
  const [first = '', code = ''] = await snippets();
  const begin = first.split('\n').slice(0, 3).join('\n');
  const program = await run('by-handler', `${begin}\n${code}\nconsole.log('connected');`);
  await program.waitForLine(/^connected$/, 15_000);
  const id = await organization.client.enqueue('emails');
  await organization.client.work('emails', { sent: 'bob' });
  await program.waitForLine(new RegExp(`^${id} { sent: 'bob' }$`));
  program.kill('SIGKILL');
});

it('can be required, too', async () => {
  const code =
    "const { SpooledClient } = require('@spooled/sdk'); console.log(typeof SpooledClient)";
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', code], { cwd: root });
  expect(stdout).toBe('function\n');
});
