import { z } from 'zod';

/** What the AsyncAPI description says of a WebSocket command. The server is more lenient: see `webSocketCommand`. */
export interface CommandDescription {
  readonly summary: string;
  readonly payload: z.ZodType;
  readonly examples: readonly object[];
}

const cursor = z.string().describe('opaque position in the event log');
const requestId = z
  .string()
  .max(128)
  .nullish()
  .describe('asks for an acknowledgement, which carries it too');
const filter = {
  queue: z.string().nullish().describe('null or absent = any'),
  job_id: z.string().max(255).nullish().describe('null or absent = any'),
  worker_id: z.string().max(255).nullish().describe('of the events about workers, only his'),
  events: z
    .array(z.string())
    .max(50)
    .nullish()
    .describe('names or tags; absent, empty or * = all but those that must be named'),
};
const { queue: _, ...rest } = filter;
const dialect = (type: string) =>
  z.object({
    type: z.literal(type),
    request_id: requestId,
    filter: z.object({ ...rest, queue_name: filter.queue }).nullish(),
  });

/** Commands, by the name that a client writes in `cmd`. */
export const commandMessages: Readonly<Record<string, CommandDescription>> = {
  Subscribe: {
    summary: 'Adds a filter; with neither queue nor job everything passes.',
    payload: z.union([
      z.object({
        cmd: z.literal('Subscribe'),
        request_id: requestId,
        ...filter,
        last_event_id: cursor.nullish().describe('replay what came after it and passes the filter'),
      }),
      dialect('subscribe').extend({ last_event_id: cursor.nullish() }),
    ]),
    examples: [
      { cmd: 'Subscribe', queue: 'emails', job_id: null },
      { type: 'subscribe', request_id: 'sub-1', filter: { queue_name: 'emails' } },
    ],
  },
  Unsubscribe: {
    summary: 'Takes one copy of a filter away.',
    payload: z.union([
      z.object({ cmd: z.literal('Unsubscribe'), request_id: requestId, ...filter }),
      dialect('unsubscribe'),
    ]),
    examples: [{ cmd: 'Unsubscribe', queue: 'emails', job_id: null, request_id: 'sub-2' }],
  },
  Ping: {
    summary: 'Answered by a Ping event.',
    payload: z.object({ cmd: z.literal('Ping') }),
    examples: [{ cmd: 'Ping' }],
  },
  Authenticate: {
    summary: 'Replaces the credential of the connection; a refused one changes nothing.',
    payload: z.object({
      cmd: z.literal('Authenticate'),
      request_id: requestId,
      token: z.string().max(8192).describe('API key or access token of the same organization'),
    }),
    examples: [{ cmd: 'Authenticate', token: 'eyJ…', request_id: 'auth-1' }],
  },
};

/** What answers a command that carries `request_id`. */
export const acknowledgement = z.object({
  type: z.enum(['subscribed', 'unsubscribed', 'authenticated']),
  request_id: z.string(),
  cursor: cursor.describe('state read after it, plus the events after it, misses nothing'),
});
export const commandError = z.object({
  type: z.literal('error'),
  request_id: z.string(),
  error: z.string(),
  code: z.string(),
});

/** What a server may close a WebSocket with. */
export const closeCodes: Readonly<Record<number, { why: string; reconnect: boolean }>> = {
  1000: { why: 'normal', reconnect: true },
  1001: { why: 'the server is stopping, or the stream was open for long enough', reconnect: true },
  1008: { why: 'more than 100 commands in a second', reconnect: false },
  1009: { why: 'a message over 64 KiB', reconnect: false },
  1011: { why: 'an internal error', reconnect: true },
  1013: { why: 'the client reads too slowly', reconnect: true },
  4401: {
    why: 'the credential was revoked or expired, or the organization deleted',
    reconnect: false,
  },
};
