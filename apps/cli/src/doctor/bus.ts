import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

import type { Check } from './check.js';

const EVENT_STREAM = 'SPOOLED_EVENTS';
const DEFAULT_MONITOR_PORT = 8222;

/** Whether the bus keeps what it has acknowledged. */
export async function busChecks(
  url: string,
  monitorUrl: string | undefined,
  signal: AbortSignal,
): Promise<Check[]> {
  const connection = await connect({ servers: url, timeout: 10_000, reconnect: false });
  try {
    const message = `nats-server ${connection.info?.version} answers`;
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const monitor = monitorUrl ?? monitorOf(connection.getServer());
    return [
      { name: 'bus', status: 'ok', message },
      ...(await jetStreamChecks(manager)),
      await syncCheck(monitor, monitorUrl !== undefined, signal),
    ];
  } finally {
    await connection.close();
  }
}

async function jetStreamChecks(manager: JetStreamManager): Promise<Check[]> {
  const name = 'JetStream';
  try {
    await manager.getAccountInfo();
  } catch (error) {
    return [{ name, status: 'failed', message: `it is off: ${(error as Error).message}` }];
  }
  const on: Check = { name, status: 'ok', message: 'it is on' };
  try {
    const { config, state } = await manager.streams.info(EVENT_STREAM);
    const isOnDisk = config.storage === 'file';
    return [
      on,
      {
        name: 'event stream',
        status: isOnDisk ? 'ok' : 'failed',
        message: `${EVENT_STREAM}: ${state.messages} messages, ${config.num_replicas} replica(s), ${config.storage}`,
        details: { messages: state.messages, replicas: config.num_replicas },
      },
    ];
  } catch (error) {
    const message = `${EVENT_STREAM} is not there: ${(error as Error).message}`;
    return [on, { name: 'event stream', status: 'failed', message }];
  }
}

/** Only the monitoring port tells when the server flushes to disk. */
async function syncCheck(monitor: string, isGiven: boolean, signal: AbortSignal): Promise<Check> {
  const name = 'bus sync';
  const limit = AbortSignal.any([signal, AbortSignal.timeout(3_000)]);
  let config: { sync_always?: boolean; sync_interval?: number };
  try {
    const response = await fetch(`${monitor}/varz`, { signal: limit });
    ({ config = {} } =
      ((await response.json()) as { jetstream?: { config?: object } }).jetstream ?? {});
  } catch {
    if (signal.aborted) throw signal.reason;
    const message = `nobody tells at ${monitor}; set NATS_MONITOR_URL to its monitoring port`;
    return { name, status: isGiven ? 'failed' : 'skipped', message };
  }
  if (config.sync_always === true) {
    return { name, status: 'ok', message: 'it flushes to disk before it acknowledges' };
  }
  const seconds = (config.sync_interval ?? 0) / 1e9;
  return {
    name,
    status: 'warning',
    message: `it flushes to disk every ${seconds} s: what a power cut takes is read again from the log (set sync_interval: always)`,
  };
}

function monitorOf(server: string): string {
  const { hostname } = new URL(`nats://${server}`);
  return `http://${hostname}:${DEFAULT_MONITOR_PORT}`;
}
