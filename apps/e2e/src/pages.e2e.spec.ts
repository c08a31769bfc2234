/** Story 11: what docs/grpc.md and docs/realtime.md print is what works. */
import { credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { eventually, type SpawnedProcess } from '@spooled/testing';
import { protoPath } from 'grpc-health-check';

import { FrontDoor } from './harness/front-door.js';
import { hostKinds } from './harness/host.js';
import { Page } from './harness/page.js';
import { watch } from './harness/shell.js';
import { Wire } from './harness/wire.js';
import { World, type Organization } from './harness/world.js';

const Health = (
  loadPackageDefinition(loadSync(protoPath, { enums: String })) as unknown as {
    grpc: { health: { v1: { Health: ServiceClientConstructor } } };
  }
).grpc.health.v1.Health;

const portOf = (address: string): number => Number(address.split(':').at(-1));

describe.each(hostKinds)('the documentation for client authors, on %s', (kind) => {
  let world: World;
  let door: FrontDoor;
  beforeAll(async () => {
    world = await World.start(kind);
    door = await FrontDoor.open(world.host);
  });
  afterAll(() => world?.stop());

  /** The newest cursor, as the first comment of an event stream tells it. */
  async function cursorOf({ key }: Organization): Promise<string> {
    const abort = new AbortController();
    const headers = { authorization: `Bearer ${key}` };
    const { body } = await fetch(`${door.base()}/api/v1/events`, { headers, signal: abort.signal });
    const { value } = await body!.pipeThrough(new TextDecoderStream()).getReader().read();
    abort.abort();
    return /^: connected (\S+)/m.exec(value ?? '')?.[1] ?? '';
  }

  /** The jobs a watching program has printed the end of. */
  const completed = ({ lines }: SpawnedProcess): string[] =>
    lines
      .filter((line) => /^\S+ (job\.completed|JobCompleted) /.test(line))
      .map((line) => (JSON.parse(line.slice(line.indexOf('{'))) as { job_id: string }).job_id);

  async function work({ client }: Organization): Promise<string> {
    const id = await client.enqueue('emails');
    await client.work('emails');
    return id;
  }

  /** What happens while the program is cut off is printed once it is not, and nothing twice. */
  async function expectResume(
    organization: Organization,
    program: SpawnedProcess,
    wire: Wire,
  ): Promise<void> {
    const ids = [await work(organization)];
    await eventually(() => expect(completed(program)).toEqual(ids));
    wire.cut();
    for (let count = 0; count < 3; count += 1) ids.push(await work(organization));
    await organization.client.enqueue('others');
    wire.mend();
    ids.push(await work(organization));
    await eventually(() => expect(completed(program)).toEqual(ids));
    expect(program.lines.filter((line) => / (job\.|Job)/.test(line))).toHaveLength(ids.length * 4);
    await program.stop();
  }

  describe('docs/grpc.md', () => {
    const page = new Page('grpc');

    it('has a worker that settles what it is sent, and comes back after the server was away', async () => {
      const organization = await world.organization('page-worker');
      const { client, key } = organization;
      const wire = await Wire.open(portOf(world.host.grpcAddress('/jobs')));
      const worker = await page.start('worker.mjs', { ADDRESS: wire.address, API_KEY: key });
      const good = await client.enqueue('emails', { payload: { to: 'one@example.com' } });
      const bad = await client.enqueue('emails', { payload: {}, max_retries: 0 });
      await worker.waitForLine(/^mail to one@example\.com$/);
      await eventually(async () =>
        expect([await client.job(good), await client.job(bad)]).toEqual([
          expect.objectContaining({ status: 'completed', result: { sent: true } }),
          expect.objectContaining({ status: 'deadletter', last_error: 'Error: no address' }),
        ]),
      );
      wire.cut();
      const later = await client.enqueue('emails', { payload: { to: 'two@example.com' } });
      await worker.waitForLine(/UNAVAILABLE/);
      wire.mend();
      await worker.waitForLine(/^mail to two@example\.com$/);
      await eventually(async () => expect((await client.job(later)).status).toBe('completed'));
      await worker.stop();
    });

    it('has a worker that asks job by job', async () => {
      const { client, key } = await world.organization('page-processor');
      const env = { ADDRESS: world.host.grpcAddress('/jobs'), API_KEY: key };
      const processor = await page.start('processor.mjs', env);
      const ids: string[] = [];
      for (const n of [1, 2, 3]) ids.push(await client.enqueue('reports', { payload: { n } }));
      await processor.waitForLine(/^report \{ n: 3 \}$/);
      await eventually(async () =>
        expect([...(await client.statuses(ids)).values()].map(({ status }) => status)).toEqual([
          'completed',
          'completed',
          'completed',
        ]),
      );
      await processor.stop();
    });

    it('has a watcher that misses nothing while it is cut off', async () => {
      const organization = await world.organization('page-watcher');
      const wire = await Wire.open(portOf(world.host.grpcAddress('/events')));
      const env = { ADDRESS: wire.address, API_KEY: organization.key };
      const CURSOR = await cursorOf(organization);
      await expectResume(organization, await page.start('watcher.mjs', { ...env, CURSOR }), wire);
    });

    it.each([
      ['/jobs', 'QueueService'],
      ['/workers', 'WorkerService'],
      ['/events', 'EventService'],
    ])('names where each service is: behind %s, %s', async (prefix, service) => {
      const health = new Health(world.host.grpcAddress(prefix), credentials.createInsecure());
      const asked = { service: `spooled.v1.${service}` };
      const answer = await new Promise((resolve) => {
        health['Check']!(asked, (error: Error | null, given: unknown) => resolve(error ?? given));
      });
      health.close();
      expect(answer).toEqual({ status: 'SERVING' });
    });

    it('has programs that stop when the key is no good', async () => {
      for (const program of ['worker.mjs', 'watcher.mjs']) {
        const prefix = program === 'worker.mjs' ? '/jobs' : '/events';
        const env = { ADDRESS: world.host.grpcAddress(prefix), API_KEY: 'sp_test_wrong' };
        const { exited, lines } = await page.start(program, env);
        expect((await exited).code).toBe(1);
        expect(lines.join('\n')).toContain('UNAUTHENTICATED');
      }
    });
  });

  describe('docs/realtime.md', () => {
    const page = new Page('realtime');

    it.each(['websocket.mjs', 'sse.mjs'])(
      'has a client, %s, that misses nothing while it is cut off',
      async (program) => {
        const organization = await world.organization(`page-${program.split('.')[0]}`);
        const wire = await Wire.open(portOf(door.base()));
        const env = { BASE: `http://${wire.address}`, API_KEY: organization.key };
        const CURSOR = await cursorOf(organization);
        await expectResume(organization, await page.start(program, { ...env, CURSOR }), wire);
      },
    );

    it.each(['websocket.mjs', 'sse.mjs'])(
      'has a client, %s, that stops when its key is revoked',
      async (program) => {
        const { client } = await world.organization(`revoked-${program.split('.')[0]}`);
        const created = await client.post<{ id: string; key: string }>('/api-keys', { name: 'w' });
        const env = { BASE: door.base(), API_KEY: created.body.key };
        const { isRunning, exited, lines } = await page.start(program, env);
        await eventually(async () => {
          await client.enqueue('emails');
          expect(lines.join('\n')).toContain(' JobCreated ');
        });
        expect(isRunning()).toBe(true);
        await client.delete(`/api-keys/${created.body.id}`);
        expect((await exited).code).toBe(1);
      },
    );

    it('has lines for curl', async () => {
      const organization = await world.organization('page-curl');
      const { client, key } = organization;
      const lines = page.lines('curl ');
      expect(lines).toHaveLength(5);
      const [all, queue, job, reports, resumed] = lines as [string, string, string, string, string];
      const JOB_ID = await client.enqueue('emails');
      const CURSOR = await cursorOf(organization);
      const headers = { authorization: `Bearer ${key}` };
      /** The address is the reader's own, and what the page leaves to the environment. */
      const watching = (line: string, path: string, more: Record<string, string> = {}) => {
        const environment = `API_KEY=${key} JOB_ID=${JOB_ID} CURSOR=${CURSOR}`;
        const command = line.replace('http://localhost:8080', door.base());
        const url = `${door.base()}/api/v1${path}`;
        return watch(`env ${environment} sh -c '${command}'`, url, { ...headers, ...more });
      };
      const streams = await Promise.all([
        watching(all, '/events'),
        watching(queue, '/events/queues/emails'),
        watching(job, `/events/jobs/${JOB_ID}`),
        watching(reports, `/events/jobs/${JOB_ID}?events=job.progress,job.log`),
      ]);
      await client.work('emails');
      streams.push(await watching(resumed, '/events', { 'last-event-id': CURSOR }));
      for (const stream of streams) {
        const seen = await stream.until(({ event }) => event === 'job.completed');
        expect(seen.at(-1)?.envelope.data['job_id']).toBe(JOB_ID);
        stream.stop();
      }
    });
  });
});
