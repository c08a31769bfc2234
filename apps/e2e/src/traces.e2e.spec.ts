/** What an operator sees of the work in a tracing system: one trace from whoever puts a job in to whoever is told of it. */
import { eventually, GrpcClient, type GrpcMessage } from '@spooled/testing';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { Collector, type CollectedSpan } from './harness/collector.js';
import { Client } from './harness/client.js';
import { root } from './harness/host.js';
import { World, type Organization } from './harness/world.js';

const BODY_SECRET = 'canary-of-the-payload';
const PATH_SECRET = 'canary-of-the-path';
const SIGNING_SECRET = 'canary-of-the-signing';

describe('traces over all services', () => {
  let collector: Collector;
  let receiver: Server;
  let world: World;
  let organization: Organization;
  const told: { event: string; jobId: string; traceparent: string | undefined }[] = [];

  beforeAll(async () => {
    collector = await Collector.start();
    receiver = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        const { event, data } = JSON.parse(text) as { event: string; data: { job_id: string } };
        const { traceparent } = request.headers as { traceparent?: string };
        told.push({ event, jobId: data.job_id, traceparent });
        response.end();
      });
    });
    receiver.listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    world = await World.start('services', {
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_BSP_SCHEDULE_DELAY: '50',
        OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
        JSON_LOGS: 'true',
        LOG_LEVEL: 'debug',
      },
    });
    organization = await world.organization('traces');
    for (const secret of [BODY_SECRET, PATH_SECRET, SIGNING_SECRET]) world.host.secrets.add(secret);
    const { port } = receiver.address() as AddressInfo;
    const created = await organization.client.post('/outgoing-webhooks', {
      name: 'traces',
      url: `http://127.0.0.1:${port}/${PATH_SECRET}`,
      events: ['job.created', 'job.started', 'job.completed'],
      secret: SIGNING_SECRET,
    });
    created.expectStatus(201);
  });
  afterAll(async () => {
    await world?.stop();
    await collector?.stop();
    receiver.closeAllConnections();
    receiver.close();
  });

  it('go from the request over the log to the webhooks, and are linked to by the worker', async () => {
    const { client, key } = organization;
    // Somebody watches: the gateway is a part of the trace.
    const leaving = new AbortController();
    const watching = await fetch(world.host.url(`/events?token=${key}`));
    let watched = '';
    const reading = watching.body!.pipeTo(
      new WritableStream({ write: (chunk) => void (watched += Buffer.from(chunk).toString()) }),
      { signal: leaving.signal },
    );
    const { traceId, traced, parentId } = sender(client);
    const id = await traced.enqueue('emails', { payload: { secret: BODY_SECRET } });
    const [job] = await client.claim('emails', { worker_id: 'worker-1' });
    expect(job!.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
    const done = { worker_id: 'worker-1', lease_id: job!.lease_id, result: {} };
    (await client.post(`/jobs/${id}/complete`, done)).expectStatus(200);

    const wanted = ['POST /api/v1/jobs', 'group commit', 'transaction spooled_jobs'];
    wanted.push('events publish', 'events receive');
    const spans = await eventually(() => {
      const found = collector.trace(traceId);
      const names = found.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(wanted));
      expect(names.filter((name) => name === 'webhook attempt')).toHaveLength(3);
      // One tree: nothing hangs in the air.
      const ids = new Set([parentId, ...found.map(({ spanId }) => spanId)]);
      expect(found.filter((span) => !ids.has(span.parentId))).toEqual([]);
      return found;
    });
    const request = named(spans, 'POST /api/v1/jobs');
    expect(request).toMatchObject({
      service: 'job-api',
      parentId,
      attributes: {
        'http.response.status_code': 201,
        'messaging.destination.name': 'emails',
        'spooled.organization.id': organization.id,
      },
    });
    expect(named(spans, 'events receive').service).toBe('realtime-gateway');
    expect(named(spans, 'webhook attempt')).toMatchObject({
      service: 'webhook-dispatcher',
      parentId: request.spanId,
      attributes: { 'server.address': '127.0.0.1', 'http.response.status_code': 200 },
    });

    const received = told.filter(({ jobId }) => jobId === id);
    expect(received.map(({ event }) => event).sort()).toEqual([
      ...['job.completed', 'job.created', 'job.started'],
    ]);
    const attempts = spans.filter(({ name }) => name === 'webhook attempt');
    expect(received.map(({ traceparent }) => traceparent!.slice(36, 52)).sort()).toEqual(
      attempts.map(({ spanId }) => spanId).sort(),
    );

    await eventually(() => {
      for (const name of ['jobs claim', 'jobs complete']) {
        const linked = collector.spans.filter((span) => span.links.includes(traceId));
        expect(named(linked, name).traceId).not.toBe(traceId);
      }
    });
    // A line of the log finds its trace, and the other way round.
    await eventually(() => {
      const line = world.host
        .lines()
        .filter((each) => each.includes(traceId))
        .map((each) => JSON.parse(each) as Record<string, unknown>)
        .find(({ msg }) => msg === 'request');
      expect(line).toMatchObject({
        service: 'job-api',
        route: '/api/v1/jobs',
        status: 201,
        trace_id: traceId,
        span_id: request.spanId,
        request_id: request.attributes['spooled.request.id'],
      });
    });
    // Whose trace it is, is nothing that watchers are told.
    await eventually(() => expect(watched).toContain('JobCompleted'));
    expect(watched).not.toContain(traceId);
    leaving.abort();
    await expect(reading).rejects.toThrow();
  });

  it('go the same way from gRPC, to workers that are pushed to as well', async () => {
    const { key } = organization;
    const grpc = new GrpcClient('spooled.v1.QueueService', world.host.grpcAddress('/jobs'));
    try {
      const { traceId, traceparent } = newTrace();
      const credential = { 'x-api-key': key };
      const enqueue = (headers: Record<string, string>): Promise<GrpcMessage> =>
        grpc.call('Enqueue', { queue_name: 'calls', payload: {} }, { ...credential, ...headers });
      await enqueue({ traceparent });
      const stream = grpc.stream(
        'StreamJobs',
        { queue_name: 'calls', worker_id: 'worker-2' },
        credential,
      );
      const [pushed] = (await once(stream, 'data')) as [GrpcMessage];
      expect(pushed['traceparent']).toContain(traceId);
      const settled = { job_id: pushed['id'], worker_id: 'worker-2', result: {} };
      await grpc.call('Complete', settled, credential);
      await enqueue({});
      const [untraced] = (await once(stream, 'data')) as [GrpcMessage];
      expect(untraced['traceparent']).not.toContain(traceId);
      stream.on('error', () => undefined);
      stream.cancel();
      await eventually(() => {
        const names = collector.trace(traceId).map(({ name }) => name);
        const wanted = ['spooled.v1.QueueService/Enqueue', 'group commit', 'events publish'];
        expect(names).toEqual(expect.arrayContaining(wanted));
        expect(names.filter((name) => name === 'webhook attempt')).toHaveLength(3);
        const linked = collector.spans.filter(({ links }) => links.includes(traceId));
        expect(linked.map(({ name }) => name)).toEqual(
          expect.arrayContaining(['jobs claim', 'jobs complete']),
        );
      });
      // The stream goes on; its opening is a span of its own, and what happens on it is no part of that.
      const opening = await eventually(() =>
        named(collector.spans, 'spooled.v1.QueueService/StreamJobs'),
      );
      expect(collector.trace(opening.traceId).map(({ name }) => name)).not.toContain('jobs claim');
    } finally {
      grpc.close();
    }
  });

  it('cross the bus: the job of a schedule that somebody triggers is in their trace', async () => {
    const { client } = organization;
    const { traceId, traced } = sender(client);
    const schedule = await client.post<{ id: string }>('/schedules', {
      name: 'yearly',
      cron_expression: '0 0 1 1 *',
      queue_name: 'reports',
      payload_template: {},
    });
    schedule.expectStatus(201);
    (await traced.post(`/schedules/${schedule.body.id}/trigger`)).expectStatus(200);
    const [job] = await client.claim('reports', { worker_id: 'worker-1' });
    expect(job!.traceparent).toContain(traceId);
    const spans = await eventually(() => {
      const found = collector.trace(traceId);
      for (const step of ['request', 'process'])
        named(found, `spooled.v1.rpc.jobs.enqueue ${step}`);
      return found;
    });
    const asked = named(spans, 'spooled.v1.rpc.jobs.enqueue request');
    expect(asked.service).toBe('scheduler');
    expect(named(spans, 'spooled.v1.rpc.jobs.enqueue process')).toMatchObject({
      service: 'job-api',
      parentId: asked.spanId,
    });
  });

  it('share the transaction of a group, which is linked to all of them', async () => {
    const senders = Array.from({ length: 60 }, () => sender(organization.client));
    await Promise.all(senders.map(({ traced }) => traced.enqueue('many')));
    await eventually(() => {
      const ids = new Set(senders.map(({ traceId }) => traceId));
      const commits = collector.spans.filter(
        ({ name, traceId }) => name === 'group commit' && ids.has(traceId),
      );
      expect(Math.max(...commits.map(({ links }) => links.length))).toBeGreaterThan(0);
      // Each caller finds the transaction that served it: in its own trace or by a link, once.
      const served = commits.flatMap(({ traceId, links }) => [traceId, ...links]);
      expect(served.filter((id) => ids.has(id)).sort()).toEqual([...ids].sort());
    });
  });

  it('that are not sampled leave nothing, and say so to whoever goes on with them', async () => {
    const { client } = organization;
    const { traceId, traced } = sender(client, '00');
    const id = await traced.enqueue('quiet');
    const [job] = await client.claim('quiet', { worker_id: 'worker-1' });
    expect(job!.traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
    await eventually(() => {
      const received = told.filter(({ jobId }) => jobId === id);
      expect(received).toHaveLength(2);
      for (const { traceparent } of received) {
        expect(traceparent).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`));
      }
    });
    // What is recorded after it has arrived, so it would have as well.
    const later = sender(client);
    await later.traced.enqueue('quiet');
    await eventually(
      () =>
        collector.trace(later.traceId).filter(({ name }) => name === 'webhook attempt').length > 0,
    );
    expect(collector.trace(traceId)).toEqual([]);
    expect(collector.spans.filter(({ links }) => links.includes(traceId))).toEqual([]);
  });

  it('hold no secret', () => {
    expect(collector.text).toContain('/api/v1/jobs');
    for (const secret of world.host.secrets) expect(collector.text).not.toContain(secret);
  });
});

describe('one process', () => {
  let silent: Server;
  let world: World;

  beforeAll(async () => {
    // It accepts connections, and never answers.
    silent = createServer(() => undefined);
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    world = await World.start('standalone', {
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
        OTEL_EXPORTER_OTLP_TIMEOUT: '300',
        OTEL_BSP_SCHEDULE_DELAY: '50',
      },
    });
  });
  // With code 0, within the time that any stop has, though the collector still takes nothing.
  afterAll(async () => {
    await world?.stop();
    silent.closeAllConnections();
    silent.close();
  });

  it('is held up by a silent collector in no request, and keeps no more than a queue of spans', async () => {
    const { client } = await world.organization('silent');
    const burst = async (requests: number): Promise<void> => {
      for (let sent = 0; sent < requests; sent += 50) {
        await Promise.all(Array.from({ length: 50 }, () => client.enqueue('work')));
      }
    };
    // More spans than the queue holds, several times.
    await burst(800);
    const before = await heapBytes(client);
    await burst(1600);
    // What nobody holds any more goes when the collector of garbage comes by, which work makes it do.
    await eventually(async () => {
      await burst(50);
      expect((await heapBytes(client)) - before).toBeLessThan(64 * 1024 ** 2);
    });
    await eventually(() =>
      world.host.lines().some((line) => line.includes('traces cannot be exported')),
    );
    const failed = /^spooled_trace_spans_total\{outcome="failed"\} (\d+)$/m;
    await eventually(async () =>
      expect(Number(failed.exec(await metrics(client))?.[1])).toBeGreaterThan(0),
    );
  });

  it('has the metrics that docs/metrics.md lists, with their types and labels, and no others', async () => {
    const page = await metrics(world.admin);
    const rows = readFileSync(`${root}docs/metrics.md`, 'utf8').matchAll(
      /^\| `(spooled_\w+)` *\| (\w+) *\| \w+ *\| (.*?) *\|/gm,
    );
    const documented = new Map([...rows].map(([, name, type, labels]) => [name, { type, labels }]));
    const types = [...page.matchAll(/^# TYPE (spooled_\w+) (\w+)$/gm)];
    expect(Object.fromEntries(types.map(([, name, type]) => [name, type]))).toEqual(
      Object.fromEntries([...documented].map(([name, { type }]) => [name, type])),
    );
    for (const [name, { labels }] of documented) {
      const series = page.matchAll(new RegExp(`^${name}(?:_bucket|_sum|_count)?\\{(.*)\\} `, 'gm'));
      for (const [, pairs] of series) {
        for (const [, label] of pairs!.matchAll(/(\w+)="/g)) {
          if (label !== 'le') expect(`${name}: ${labels}`).toContain(`\`${label}\``);
        }
      }
    }
    // What every Node process has, the delay of its event loop among it.
    expect(page).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
  });
});

/** A client whose requests are a part of a trace of their own. */
function sender(client: Client, flags = '01') {
  const { traceId, parentId, traceparent } = newTrace(flags);
  const headers = { ...client.headers, traceparent };
  return { traceId, parentId, traced: new Client(client.host, headers) };
}

function newTrace(flags = '01') {
  const traceId = randomBytes(16).toString('hex');
  const parentId = randomBytes(8).toString('hex');
  return { traceId, parentId, traceparent: `00-${traceId}-${parentId}-${flags}` };
}

/** The one span of that name, or the first of several. @throws when there is none */
function named(spans: readonly CollectedSpan[], name: string): CollectedSpan {
  const found = spans.find((span) => span.name === name);
  if (found === undefined) throw new Error(`no span ${name}`);
  return found;
}

async function metrics({ host }: Client): Promise<string> {
  return (await fetch(`${host.base()}/metrics`)).text();
}

async function heapBytes(client: Client): Promise<number> {
  return Number(/^nodejs_heap_size_used_bytes (\S+)$/m.exec(await metrics(client))?.[1]);
}
