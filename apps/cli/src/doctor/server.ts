import { AuthorizationError, type SpooledClient } from '@spooled/sdk';

import { words } from '../output/text.js';
import { duration } from '../output/time.js';
import { looked, type Check } from './check.js';

/** A skew that lets signatures and leases look wrong. */
const MAX_SKEW_MS = 5_000;
/** The header has whole seconds. */
const DATE_RESOLUTION_MS = 1_000;

/** Whether the server is there, well, and tells the same time. */
export async function serverChecks(url: string, signal: AbortSignal): Promise<Check[]> {
  const startedAt = Date.now();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(10_000)]);
  let response: Response;
  try {
    response = await fetch(`${url}/health`, { signal: limit });
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const { message, cause } = error as Error;
    const reason = cause instanceof Error && cause.message !== '' ? cause.message : message;
    return [{ name: 'server', status: 'failed', message: `${url} cannot be reached: ${reason}` }];
  }
  const tookMs = Date.now() - startedAt;
  const health = (await response.json().catch(() => ({}))) as {
    database?: boolean;
    cache?: boolean;
  };
  const ready = await fetch(`${url}/health/ready`, { signal: limit });
  return [
    { name: 'server', status: 'ok', message: `${url} answers in ${tookMs} ms` },
    flag('server database', health.database === true, 'PostgreSQL'),
    flag('server bus', health.cache === true, 'NATS'),
    {
      name: 'server ready',
      status: ready.ok ? 'ok' : 'failed',
      message: ready.ok ? 'it can work' : `it cannot work now (${ready.status})`,
    },
    clockCheck(response.headers.get('date'), startedAt + tookMs / 2, tookMs),
  ];
}

function flag(name: string, isGood: boolean, what: string): Check {
  const message = isGood ? `the server has its ${what}` : `the server lacks its ${what}`;
  return { name, status: isGood ? 'ok' : 'failed', message };
}

function clockCheck(date: string | null, at: number, tookMs: number): Check {
  const name = 'clock';
  if (date === null) return { name, status: 'skipped', message: 'the server tells no time' };
  // The time was cut to a second, so the true one is half a second later on average.
  const skewMs = Math.round(at - (Date.parse(date) + DATE_RESOLUTION_MS / 2));
  const error = (DATE_RESOLUTION_MS + tookMs) / 2;
  const isOff = Math.abs(skewMs) - error > MAX_SKEW_MS;
  const side = skewMs > 0 ? 'ahead of' : 'behind';
  return {
    name,
    status: isOff ? 'warning' : 'ok',
    message: isOff
      ? `this clock is ${duration(Math.abs(skewMs))} ${side} the server`
      : 'this clock agrees with the server',
    details: { skew_ms: skewMs, error_ms: error },
  };
}

/** Whether the key opens what it should, and how much of the plan is left. */
export async function accountChecks(
  client: SpooledClient,
  cliVersion: string,
  signal: AbortSignal,
): Promise<Check[]> {
  const key = await looked('key', async () => {
    const [organization] = await client.organizations.list({ signal });
    const message = `signed in to ${organization?.name} (${organization?.planTier})`;
    return [{ name: 'key', status: 'ok', message }];
  });
  if (key.some(({ status }) => status !== 'ok')) return key;
  return [
    ...key,
    ...(await looked('versions', async () => {
      const { system } = await client.dashboard.get({ signal });
      const versions = { cli: cliVersion, server: system.version, node: process.version };
      const isSame = minor(cliVersion) === minor(system.version);
      return [
        {
          name: 'versions',
          status: isSame ? 'ok' : 'warning',
          message: `spooled ${cliVersion}, server ${system.version}, Node ${process.version}`,
          details: versions,
        },
      ];
    })),
    ...(await looked('stream', () => streamCheck(client, signal))),
    ...(await looked('plan', () => planChecks(client, signal))),
  ];
}

const minor = (version: string): string => version.split('.').slice(0, 2).join('.');

/** Proxies that hold streams back are found here. */
async function streamCheck(client: SpooledClient, signal: AbortSignal): Promise<Check[]> {
  const isOpen = new AbortController();
  const late = AbortSignal.timeout(10_000);
  const feed = client.events({ signal: AbortSignal.any([signal, isOpen.signal, late]) });
  feed.onStateChange((state) => {
    if (state === 'live') isOpen.abort();
  });
  for await (const _ of feed);
  if (signal.aborted) throw signal.reason;
  return isOpen.signal.aborted
    ? [{ name: 'stream', status: 'ok', message: 'events arrive' }]
    : [{ name: 'stream', status: 'failed', message: 'no stream of events within 10 s' }];
}

async function planChecks(client: SpooledClient, signal: AbortSignal): Promise<Check[]> {
  try {
    const { planDisplayName, usage, warnings } = await client.organizations.getUsage({ signal });
    const limited = Object.entries(usage).filter(([, { limit }]) => limit !== null);
    const told = limited.map(([name, { current, limit }]) => `${words(name)} ${current}/${limit}`);
    return [
      {
        name: 'plan',
        status: 'ok',
        message: `${planDisplayName}: ${told.join(', ') || 'nothing is limited'}`,
        details: { usage },
      },
      ...warnings.map(({ resource, message, severity }): Check => ({
        name: `plan ${words(resource)}`,
        status: severity === 'critical' ? 'failed' : 'warning',
        message,
      })),
    ];
  } catch (error) {
    if (!(error instanceof AuthorizationError)) throw error;
    return [{ name: 'plan', status: 'skipped', message: 'this key may not read the usage' }];
  }
}
