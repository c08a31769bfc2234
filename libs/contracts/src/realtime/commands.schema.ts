import { z } from 'zod';

/** An inbound WebSocket message larger than this closes the connection with 1009. */
export const MAX_COMMAND_BYTES = 64 * 1024;

/** Published clients leave a field out, send null, or send an empty text: all mean "not given". */
const notGiven = (value: unknown): unknown => (value === null || value === '' ? undefined : value);
const text = (maxChars: number) => z.preprocess(notGiven, z.string().max(maxChars).optional());
const queue = z.preprocess(
  notGiven,
  z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,100}$/, 'must be 1-100 of A-Z a-z 0-9 . _ -')
    .optional(),
);
const events = z.preprocess(notGiven, z.array(z.string().max(100)).max(50).optional());

const filterFields = { queue, job_id: text(255), worker_id: text(255), events };

/** What a client writes, in any of the three dialects that published clients speak. */
const written = z.object({
  cmd: z
    .string()
    .max(50)
    .optional()
    .describe('Subscribe, Unsubscribe, Ping, Authenticate; any case'),
  type: z.string().max(50).optional().describe('the same names, in the dialect with `filter`'),
  request_id: z.string().max(128).nullish().describe('asks for an acknowledgement'),
  ...filterFields,
  filter: z.object({ ...filterFields, queue_name: queue }).nullish(),
  last_event_id: text(100).describe('Subscribe: cursor to replay after'),
  token: text(8192).describe('Authenticate: the new credential'),
});

/** Which events a `Subscribe` asks for; null = any. */
export interface SubscriptionFilter {
  readonly queue: string | null;
  readonly jobId: string | null;
  readonly workerId: string | null;
  readonly events: readonly string[] | null;
}

/** A WebSocket command, whatever its dialect was. */
export type WebSocketCommand = { readonly requestId: string | null } & (
  | {
      readonly name: 'subscribe';
      readonly filter: SubscriptionFilter;
      readonly lastEventId: string | null;
    }
  | { readonly name: 'unsubscribe'; readonly filter: SubscriptionFilter }
  | { readonly name: 'ping' }
  | { readonly name: 'authenticate'; readonly token: string }
);

/** `{"cmd":"Subscribe","queue":…}`, `{"cmd":"subscribe"}` and `{"type":"subscribe","request_id":…,"filter":{…}}`. */
export const webSocketCommand = written.transform((message, context): WebSocketCommand => {
  const requestId = message.request_id ?? null;
  const name = (message.cmd ?? message.type ?? '').toLowerCase();
  switch (name) {
    case 'subscribe':
      return {
        name,
        requestId,
        filter: filterOf(message),
        lastEventId: message.last_event_id ?? null,
      };
    case 'unsubscribe':
      return { name, requestId, filter: filterOf(message) };
    case 'ping':
      return { name, requestId };
    case 'authenticate':
      if (message.token !== undefined) return { name, requestId, token: message.token };
      context.addIssue({ code: 'custom', path: ['token'], message: 'is required' });
      return z.NEVER;
    default:
      context.addIssue({ code: 'custom', path: ['cmd'], message: 'is not a known command' });
      return z.NEVER;
  }
});

function filterOf(message: z.output<typeof written>): SubscriptionFilter {
  const { filter } = message;
  return {
    queue: message.queue ?? filter?.queue_name ?? filter?.queue ?? null,
    jobId: message.job_id ?? filter?.job_id ?? null,
    workerId: message.worker_id ?? filter?.worker_id ?? null,
    events: message.events ?? filter?.events ?? null,
  };
}
