import { setTimeout as sleep } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import { chromium } from '@spooled/testing';
import { createOrganization, startServer } from './environment.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 300);
const EVENTS_PER_SECOND = 1000;
const BURST = 20;
const WARM_UP_SECONDS = 5;
const MIB = 1024 * 1024;
const bars = {
  framesPerSecond: 50,
  heapMib: 20,
  requestsPerSecond: 1,
  loadBytes: 250 * 1024,
  liveMs: 1000,
};

/** Frames that the browser drew in each second; asked for and forgotten by `takeFrames`. */
const countFrames = `
  window.benchFrames = [];
  let frames = 0;
  const draw = () => { frames += 1; requestAnimationFrame(draw); };
  requestAnimationFrame(draw);
  setInterval(() => { window.benchFrames.push(frames); frames = 0; }, 1000);
`;

/**
 * The overview in Chromium while 1,000 events a second come over its one WebSocket: frames per second, what the heap
 * grows by (both ends after a collection), requests per second; before that the first load. The events reach the gateway
 * as if the bus had brought them, so that no worker competes with the browser for the machine.
 */
export async function benchDashboard(environment, report) {
  const server = await startServer(environment);
  const { key, organizationId } = await createOrganization(server, `dashboard-${uuidv7()}`);
  const browser = await chromium();
  try {
    const context = await browser.newContext({
      locale: 'en-GB',
      viewport: { width: 1360, height: 850 },
    });
    const page = await context.newPage();
    let requests = 0;
    page.on('request', () => (requests += 1));
    page.on('websocket', () => (requests += 1));
    let bytes = 0;
    page.on('response', (response) => {
      if (response.url().endsWith('.js')) bytes += Number(response.headers()['content-length']);
    });
    const base = `http://127.0.0.1:${server.port}`;
    await page.goto(`${base}/favicon.svg`);
    await page.evaluate(
      (tokens) => sessionStorage.setItem('spooled.tokens', tokens),
      await tokensOf(base, key),
    );

    const startedAt = performance.now();
    await page.goto(base);
    await page.locator('[data-testid=freshness][data-state=live]').waitFor();
    const liveMs = performance.now() - startedAt;
    // A page without scripts would look light.
    if (!(bytes > 0)) throw new Error('no script was loaded');
    report(
      'first load, charts included',
      { note: `${(bytes / 1024).toFixed(0)} KB of script, live after ${liveMs.toFixed(0)} ms` },
      [
        ['of the time that a first load may take', bars.liveMs / liveMs, 1],
        ['of the script that a first load may have', bars.loadBytes / bytes, 1],
      ],
    );

    const send = async (seconds) => {
      const bursts = (seconds * EVENTS_PER_SECOND) / BURST;
      const begunAt = performance.now();
      for (let sent = 0; sent < bursts; sent += 1) {
        server.feed({ organizationId, events: events() });
        await sleep(
          Math.max(
            0,
            begunAt + ((sent + 1) * 1000 * BURST) / EVENTS_PER_SECOND - performance.now(),
          ),
        );
      }
    };
    const devTools = await context.newCDPSession(page);
    const heap = async () => {
      await devTools.send('HeapProfiler.collectGarbage');
      return (await devTools.send('Runtime.getHeapUsage')).usedSize;
    };
    await send(WARM_UP_SECONDS);
    const [heapBefore, requestsBefore] = [await heap(), requests];
    await page.evaluate(countFrames);
    await send(SECONDS);
    const frames = (await page.evaluate('window.benchFrames')).sort((a, b) => a - b);
    const median = frames[Math.floor(frames.length / 2)];
    const requestsPerSecond = (requests - requestsBefore) / SECONDS;
    const grownMib = ((await heap()) - heapBefore) / MIB;
    report(
      `${EVENTS_PER_SECOND} events/s for ${SECONDS} s`,
      {
        note: `${median} frames/s median, heap ${grownMib.toFixed(1)} MiB more, ${requestsPerSecond.toFixed(2)} requests/s`,
      },
      [
        ['frames per second of 50', median / bars.framesPerSecond, 1],
        ['of the heap that it may grow by', bars.heapMib / Math.max(grownMib, 0.1), 1],
        [
          'of the requests that it may make',
          bars.requestsPerSecond / Math.max(requestsPerSecond, 0.01),
          1,
        ],
      ],
    );
  } finally {
    await browser.close();
    await server.stop();
  }
}

async function tokensOf(base, apiKey) {
  const answer = await fetch(`${base}/api/v1/auth/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ api_key: apiKey }),
  });
  const { access_token: accessToken, refresh_token: refreshToken } = await answer.json();
  return JSON.stringify({ accessToken, refreshToken });
}

/** Jobs that come, are claimed and end, in five queues. */
function events() {
  return Array.from({ length: BURST / 4 }, (_, index) => {
    const timestamp = new Date().toISOString();
    const about = { job_id: uuidv7(), queue_name: `queue-${index}`, timestamp };
    const worker = { worker_id: 'bench' };
    return [
      { type: 'JobCreated', data: { ...about, priority: 0, status: 'pending', rev: 1 } },
      {
        type: 'JobStatusChange',
        data: { ...about, ...worker, old_status: 'pending', new_status: 'processing', rev: 2 },
      },
      {
        type: 'JobStatusChange',
        data: { ...about, ...worker, old_status: 'processing', new_status: 'completed', rev: 3 },
      },
      { type: 'JobCompleted', data: { ...about, ...worker, duration_ms: 10 + index, rev: 3 } },
    ];
  }).flat();
}
