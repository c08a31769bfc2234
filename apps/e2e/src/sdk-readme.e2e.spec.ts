/** The page of the published client does what it says, with the packages as they are built. */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

import { eventually, onCleanUp, spawnProcess } from '@spooled/testing';

import { root } from './harness/host.js';
import { World, type Organization } from './harness/world.js';

let world: World;
let organization: Organization;

beforeAll(async () => {
  world = await World.start('standalone');
  organization = await world.organization('sdk-readme');
});
afterAll(() => world?.stop());

/** The code blocks of the page. */
async function snippets(): Promise<string[]> {
  const page = await readFile(path.join(root, 'libs/sdk/README.md'), 'utf8');
  return [...page.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => code);
}

/** In the repository, where the package is found by its name. */
async function run(name: string, code: string, further: Readonly<Record<string, string>> = {}) {
  const file = path.join(root, 'node_modules', `.spooled-${name}-${process.pid}.mjs`);
  await writeFile(file, code);
  onCleanUp(() => rm(file));
  const grpcUrl = `http://${world.host.grpcAddress('/jobs')}`;
  const env = { BASE: world.host.base(), API_KEY: organization.key, GRPC: grpcUrl, ...further };
  return spawnProcess({ command: process.execPath, args: [file], env });
}

/** Whose command line mentions the directory. */
async function processesOf(directory: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'args=']);
  return stdout.split('\n').filter((line) => line.includes(directory));
}

it('shows a job live in ten lines', async () => {
  const [code = ''] = await snippets();
  const program = await run('ten-lines', code);
  await program.waitForLine(/ { sent: 'ada' }$/);
  program.kill('SIGKILL');
});

it('shows events by handler', async () => {
  const [first = '', code = ''] = await snippets();
  const begin = first.split('\n').slice(0, 3).join('\n');
  const program = await run('by-handler', `${begin}\n${code}\nconsole.log('connected');`);
  await program.waitForLine(/^connected$/);
  const id = await organization.client.enqueue('emails');
  await organization.client.work('emails', { sent: 'bob' });
  await program.waitForLine(new RegExp(`^${id} { sent: 'bob' }$`));
  program.kill('SIGKILL');
});

it('shows a worker that jobs are pushed to', async () => {
  const code = (await snippets()).find((each) => each.includes("'grpc'")) ?? '';
  const program = await run('pushed', code);
  const id = await organization.client.enqueue('reports', { payload: { month: 'May' } });
  await program.waitForLine(new RegExp(`^${id} { month: 'May' }$`));
  program.kill('SIGKILL');
});

it('shows a server for tests', async () => {
  const code = (await snippets()).find((each) => each.includes('startSpooled')) ?? '';
  const program = await run('server', code);
  expect(await program.exited).toEqual({ code: 0, signal: null });
  expect(program.lines).toEqual(['pending']);
});

it('leaves no server behind when the test process is killed', async () => {
  const code = `
    import { startSpooled } from '@spooled/sdk/testing';
    const { url } = await startSpooled();
    console.log('at', url);
    setInterval(() => undefined, 1000);`;
  const directory = await mkdtemp(path.join(tmpdir(), 'spooled-e2e-'));
  await chmod(directory, 0o755);
  onCleanUp(() => rm(directory, { recursive: true, force: true }));
  const program = await run('killed', code, { TMPDIR: directory });
  const [, url = ''] = await program.waitForLine(/^at (http.*)$/);
  expect(await processesOf(directory)).not.toEqual([]);
  program.kill('SIGKILL');
  await eventually(
    async () => {
      await expect(fetch(url)).rejects.toThrow();
      expect(await processesOf(directory)).toEqual([]);
      expect((await readdir(directory)).filter((name) => !name.endsWith('.sock'))).toEqual([]);
    },
    { intervalMs: 200 },
  );
});

it('can be required, too', async () => {
  const code =
    "const { SpooledClient } = require('@spooled/sdk'); console.log(typeof SpooledClient)";
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', code], { cwd: root });
  expect(stdout).toBe('function\n');
  const built = await readFile(path.join(root, 'libs/sdk/dist/index.cjs'), 'utf8');
  expect(built).toContain('import("./grpc.js")');
});
