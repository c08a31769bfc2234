/** The room as a process of its own, as its image runs it: files, probes and metrics, and nothing that it needs for that. */
import { eventually, freePort, spawnProcess, type SpawnedProcess } from '@spooled/testing';
import { fileURLToPath } from 'node:url';

const html = { accept: 'text/html,*/*' };

describe('the dashboard as a process of its own', () => {
  let server: SpawnedProcess;
  let base: string;
  let metrics: string;

  beforeAll(async () => {
    const [port, metricsPort] = [await freePort(), await freePort()];
    base = `http://127.0.0.1:${port}`;
    metrics = `http://127.0.0.1:${metricsPort}/metrics`;
    server = await spawnProcess({
      command: process.execPath,
      args: [fileURLToPath(new URL('../dist/main.js', import.meta.url))],
      env: {
        PORT: String(port),
        METRICS_PORT: String(metricsPort),
        SPOOLED_ENV: 'production',
        DATABASE_URL: undefined,
        NATS_URL: undefined,
        JWT_SECRET: undefined,
      },
    });
    await eventually(async () => !server.isRunning() || (await get('/health/ready')).ok);
    if (!server.isRunning()) throw new Error(server.lines.join('\n'));
  });

  const get = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    fetch(`${base}${path}`, { headers });

  it.each(['/', '/jobs/01a2?x=1', '/not/a/page'])('sends the page at %s', async (path) => {
    const answer = await get(path, html);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(answer.headers.get('cache-control')).toBe('no-cache');
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'; script");
    expect(answer.headers.get('x-frame-options')).toBe('DENY');
    expect(await answer.text()).toContain('<div id="root">');
  });

  it('sends what the page loads, compressed, to be kept for good', async () => {
    const page = await (await get('/')).text();
    const [, script = ''] = /src="(\/assets\/[^"]+\.js)"/.exec(page) ?? [];
    const answer = await get(script, { 'accept-encoding': 'gzip, br' });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-encoding')).toBe('gzip');
    expect(answer.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
  });

  it.each(['/api/v1/jobs', '/assets/none.js', '/metrics', '/metrics?x=1'])(
    'has nothing at %s',
    async (path) => {
      const answer = await get(path, html);
      expect(answer.status).toBe(404);
      expect(await answer.json()).toMatchObject({ code: 'NOT_FOUND' });
    },
  );

  it('answers probes, and scrapers on their port', async () => {
    for (const path of ['/health/live', '/health/ready'])
      expect((await get(path)).status).toBe(200);
    expect(await (await get('/health')).json()).toMatchObject({ status: 'healthy' });
    const text = await (await fetch(metrics)).text();
    expect(text).toContain('process_start_time_seconds');
    // There is no bus to count messages of, nor to be told limits over.
    expect(text).not.toMatch(/redis|http\.limits/);
  });

  // Last: nobody answers afterwards.
  it('leaves on SIGTERM, and had nothing to complain about', async () => {
    expect(await server.stop(60_000)).toEqual({ code: 0, signal: null });
    expect(server.lines.join('\n')).toMatch(/stopping/);
    expect(server.lines.join('\n')).not.toMatch(/WARN|ERROR|FATAL/);
  });
});
