/** The package as it is published, in a project that has nothing of ours. */
import { execFile } from 'node:child_process';
import { access, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../../../', import.meta.url));
let project: string;

const run = async (command: string, args: readonly string[], cwd: string): Promise<string> => {
  const { stdout } = await promisify(execFile)(command, args, { cwd }).catch((error: Error) => {
    const { stdout: said = '', stderr = '' } = error as Partial<{ stdout: string; stderr: string }>;
    throw new Error(`${error.message}\n${said}\n${stderr}`);
  });
  return stdout;
};

beforeAll(async () => {
  project = await mkdtemp(path.join(tmpdir(), 'spooled-sdk-'));
  const directory = path.join(project, 'package');
  await run(process.execPath, ['libs/sdk/pack.mjs', directory], root);
  await run('npm', ['pack', '--pack-destination', project], directory);
  await rm(directory, { recursive: true });
  const [tarball = ''] = (await readdir(project)).filter((name) => name.endsWith('.tgz'));
  await writeFile(path.join(project, 'package.json'), '{ "private": true }');
  const quiet = ['--offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  await run('npm', ['install', ...quiet, `./${tarball}`], project);
}, 300_000);
afterAll(() => rm(project, { recursive: true, force: true }));

const program = `
  import { SpooledClient, SpooledWorker, ValidationError, type Job } from '@spooled/sdk';
  import { startSpooled, type TestServer } from '@spooled/sdk/testing';

  const client = new SpooledClient({ apiKey: 'k', retry: { maxRetries: 0 } });
  const worker = new SpooledWorker(client, { queueName: 'emails', transport: 'grpc' });
  worker.process<{ to: string }>(({ payload }) => payload.to.length);
  export async function durations(): Promise<number[]> {
    const found: number[] = [];
    for await (const event of client.events({ queue: 'emails' })) {
      if (event.type === 'job.completed') found.push(event.data.durationMs);
    }
    return found;
  }
  export async function isDone(id: string): Promise<boolean> {
    const job: Job = await client.jobs.get(id);
    // @ts-expect-error: no such state
    if (job.status === 'done') return true;
    return job.status === 'completed';
  }
  export const create = () =>
    // @ts-expect-error: a queue has a name
    client.jobs.create({ queueName: 1, payload: {} });
  export const start: () => Promise<TestServer> = startSpooled;
  client.jobs.get('').catch((error: unknown) => {
    console.log(error instanceof ValidationError, worker.getState());
  });
`;

it('needs no other package', async () => {
  const installed = path.join(project, 'node_modules');
  expect((await readdir(installed)).filter((name) => !name.startsWith('.'))).toEqual(['@spooled']);
  expect(await readdir(path.join(installed, '@spooled'))).toEqual(['sdk']);
  for (const file of ['dist/grpc.js', 'proto/spooled/v1/queue.proto', 'README.md']) {
    await access(path.join(installed, '@spooled/sdk', file));
  }
});

it('compiles strictly, its own declarations too, and runs as ESM and as CommonJS', async () => {
  await mkdir(path.join(project, 'src'));
  await writeFile(path.join(project, 'src/program.mts'), program);
  await writeFile(path.join(project, 'src/program.cts'), program);
  const compilerOptions = {
    strict: true,
    skipLibCheck: false,
    target: 'es2022',
    lib: ['es2022', 'dom'],
    module: 'node16',
    types: [],
    rootDir: 'src',
    outDir: 'out',
  };
  const config = JSON.stringify({ compilerOptions, include: ['src'] });
  await writeFile(path.join(project, 'tsconfig.json'), config);
  await run(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc')], project);
  for (const file of ['out/program.mjs', 'out/program.cjs']) {
    expect(await run(process.execPath, [file], project)).toBe('true idle\n');
  }
});
