import pg from 'pg';

import type { Check } from './check.js';

/** Behind two addresses may be one server; its start tells. */
const SERVER = `
  select current_setting('server_version') as version, pg_is_in_recovery() as is_standby,
         extract(epoch from pg_postmaster_start_time())::text as started_at`;

interface Server {
  readonly version: string;
  readonly is_standby: boolean;
  readonly started_at: string;
}

/** One of the servers that a URL names. */
interface Found {
  readonly url: string;
  readonly check: Check;
  readonly server: Server | undefined;
}

export interface DatabaseServers {
  readonly checks: readonly Check[];
  /** Of the one that takes writes, or else of one that answers. */
  readonly url: string | undefined;
}

/** Asks each server that a URL names whether it takes writes. What is told names hosts, never the password. */
export async function lookAtServers(url: string): Promise<DatabaseServers> {
  const urls = serversOf(url);
  const found = await Promise.all(
    urls.map((each) => lookAt(each, urls.length === 1 ? 'database' : `database ${hostOf(each)}`)),
  );
  const answering = found.filter(({ server }) => server !== undefined);
  const writing = answering.filter(({ server }) => server?.is_standby === false);
  return {
    checks: [
      ...found.map(({ check }) => check),
      ...(answering.length === 0 ? [] : writersChecks(writing)),
    ],
    url: (writing[0] ?? answering[0])?.url,
  };
}

/** Runs a statement's worth of work on a connection of its own. */
export async function connected<T>(
  url: string,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  // A connection that breaks is told by the query that it breaks.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** As the services read it, and libpq: `postgresql://user:password@one:5432,two:5432/database`. */
function serversOf(url: string): readonly string[] {
  const [, begin, hosts, end] = /^(\w+:\/\/(?:[^/?#]*@)?)([^/?#]+)(.*)$/.exec(url) ?? [];
  return hosts?.split(',').map((host) => `${begin}${host}${end}`) ?? [url];
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? 'that is no URL';
}

async function lookAt(url: string, name: string): Promise<Found> {
  try {
    const server = await connected(
      url,
      async (client) => (await client.query<Server>(SERVER)).rows[0],
    );
    const does =
      server?.is_standby === true ? 'is a standby, which takes no writes' : 'takes writes';
    const message = `PostgreSQL ${server?.version} answers and ${does}`;
    return { url, server, check: { name, status: 'ok', message } };
  } catch (error) {
    const { message } = error as Error;
    const check: Check = { name, status: 'failed', message: message || String(error) };
    return { url, server: undefined, check };
  }
}

function writersChecks(writing: readonly Found[]): Check[] {
  const name = 'database writes';
  if (writing.length === 0) {
    return [{ name, status: 'failed', message: 'no server takes writes: promote a standby' }];
  }
  const servers = new Set(writing.map(({ server }) => server?.started_at));
  if (servers.size === 1) return [];
  const hosts = writing.map(({ url }) => hostOf(url)).join(' and ');
  const message = `${hosts} take writes: what one is told, the other does not know`;
  return [{ name, status: 'failed', message }];
}
