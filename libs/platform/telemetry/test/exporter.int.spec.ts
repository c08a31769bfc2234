import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLogger, inSpan, isTracing, Metrics } from '../src/index.js';
import { startTracing, type StopTracing } from '../src/trace-exporter.js';
import { startSpan, withSpan } from '../src/tracing.js';

const SECRET = 'canary-of-an-error';
let bodies: string[];
let posts: { url?: string | undefined; authorization?: string | undefined }[];
let server: Server;
let isSilent: boolean;
let lines: string[];
let stop: StopTracing;

const logger = createLogger('test', 'debug', {
  isJson: true,
  write: (line) => void lines.push(line),
});
const told = (): Record<string, unknown>[] =>
  lines.map((line) => JSON.parse(line) as Record<string, unknown>);

beforeEach(async () => {
  bodies = [];
  posts = [];
  lines = [];
  isSilent = false;
  server = createServer((request, response) => {
    let text = '';
    request.setEncoding('latin1');
    request.on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      bodies.push(text);
      posts.push({ url: request.url, authorization: request.headers.authorization });
      if (!isSilent) response.end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] = `http://127.0.0.1:${port}`;
});
afterEach(async () => {
  await stop();
  for (const name of Object.keys(process.env))
    if (name.startsWith('OTEL_')) delete process.env[name];
  server.closeAllConnections();
  server.close();
});

/** Starts recording as a process does that has this environment. */
async function record(environment: Readonly<Record<string, string>> = {}): Promise<Metrics> {
  Object.assign(process.env, environment);
  const metrics = new Metrics();
  stop = await startTracing('test-service', logger, metrics);
  return metrics;
}

describe('spans', () => {
  it('leave with the stop at the latest, with the name of the service, and without the text of errors', async () => {
    const metrics = await record({ OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=moon' });
    expect(isTracing()).toBe(true);
    await inSpan('good work', { parent: null }, () => Promise.resolve());
    const bad = inSpan('bad work', { parent: null }, () => Promise.reject(new TypeError(SECRET)));
    await expect(bad).rejects.toThrow(SECRET);
    await stop();
    expect(isTracing()).toBe(false);
    const all = bodies.join('');
    for (const text of ['test-service', 'moon', 'good work', 'bad work', 'TypeError']) {
      expect(all).toContain(text);
    }
    expect(all).not.toContain(SECRET);
    expect(await metrics.exposition()).toContain('spooled_trace_spans_total{outcome="exported"} 2');
  });

  it('are as many as the sampler says', async () => {
    await record({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' });
    await inSpan('unwanted', { parent: null }, () => Promise.resolve());
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await inSpan('wanted by its caller', { parent }, () => Promise.resolve());
    await stop();
    expect(bodies.join('')).toContain('wanted by its caller');
    expect(bodies.join('')).not.toContain('unwanted');
  });

  it('go to the path of traces, under the name and with the headers that the environment gives', async () => {
    await record({
      OTEL_SERVICE_NAME: 'spooled-job-api',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20let-me-in',
    });
    await inSpan('work', { parent: null }, () => Promise.resolve());
    await stop();
    expect(posts).toEqual([{ url: '/v1/traces', authorization: 'Bearer let-me-in' }]);
    expect(bodies.join('')).toContain('spooled-job-api');
    expect(bodies.join('')).not.toContain('test-service');
    expect(lines.join('')).not.toContain('let-me-in');
  });

  it('can be found from the lines that were written in them', async () => {
    await record();
    const span = startSpan('work', { parent: null });
    const { traceId, spanId } = span!.spanContext();
    withSpan(span, () => logger.info('inside'), 'request-1');
    logger.info('outside');
    const [inside, outside] = told().filter(({ msg }) => String(msg).endsWith('side'));
    expect(inside).toMatchObject({ trace_id: traceId, span_id: spanId, request_id: 'request-1' });
    expect(outside).not.toHaveProperty('trace_id');
  });

  it('that nobody takes hold up no stop, and are told of once', async () => {
    isSilent = true;
    await record({ OTEL_EXPORTER_OTLP_TIMEOUT: '100', OTEL_BSP_SCHEDULE_DELAY: '10' });
    for (let batch = 0; batch < 3; batch += 1) {
      const before = bodies.length;
      await inSpan('work', { parent: null }, () => Promise.resolve());
      while (bodies.length === before) await new Promise(setImmediate);
    }
    const startedAt = performance.now();
    await stop();
    expect(performance.now() - startedAt).toBeLessThan(60_000);
    const complaints = told().filter(({ msg }) => String(msg).includes('cannot be exported'));
    expect(complaints).toHaveLength(1);
  });
});
