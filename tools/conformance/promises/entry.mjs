/** Who gets in, and what is said first. */
import { check, equal } from '../assert.mjs';

const section = '§1';
const all = ['websocket', 'sse', 'grpc'];
const http = ['websocket', 'sse'];
const refusals = {
  unauthorized: { grpc: 'UNAUTHENTICATED', http: [401, 'UNAUTHORIZED'] },
  badFilter: { grpc: 'INVALID_ARGUMENT', http: [400, 'BAD_REQUEST'] },
};

function expectRefusal(transport, { status, code }, kind) {
  if (transport === 'grpc') equal(status, refusals[kind].grpc, 'the status');
  else equal([status, code], refusals[kind].http, 'status and code of the refusal');
}

export const entry = [
  {
    name: 'an unknown credential is refused before anything is sent',
    section,
    transports: all,
    run: async (lab, transport) => {
      const refusal = await lab.refused(transport, { credential: 'sp_test_of_nobody_00000000' });
      expectRefusal(transport, refusal, 'unauthorized');
    },
  },
  {
    name: 'no credential is refused',
    section,
    transports: all,
    run: async (lab, transport) => {
      expectRefusal(transport, await lab.refused(transport, { authBy: 'none' }), 'unauthorized');
    },
  },
  {
    name: 'a key is taken from Authorization, X-API-Key, token and api_key',
    section,
    transports: http,
    run: async (lab, transport) => {
      for (const authBy of ['bearer', 'x-api-key', 'token', 'api_key']) {
        await lab.open(transport, { authBy });
      }
    },
  },
  {
    name: 'a key is taken from x-api-key and authorization',
    section: 'grpc §2',
    transports: ['grpc'],
    run: async (lab, transport) => {
      for (const authBy of ['bearer', 'x-api-key']) await lab.open(transport, { authBy });
    },
  },
  {
    name: 'an access token is taken, a refresh token is not',
    section,
    transports: ['websocket'],
    run: async (lab, transport) => {
      const body = { api_key: lab.target.apiKey };
      const { access_token, refresh_token } = await lab.rest.call('POST', '/auth/login', body);
      await lab.open(transport, { authBy: 'token', credential: access_token });
      await lab.open('sse', { authBy: 'token', credential: access_token });
      const refusal = await lab.refused(transport, { authBy: 'token', credential: refresh_token });
      expectRefusal(transport, refusal, 'unauthorized');
    },
  },
  {
    name: 'a bad queue filter is refused',
    section,
    transports: http,
    run: async (lab, transport) => {
      for (const queue of ['a b', 'x'.repeat(101)]) {
        expectRefusal(transport, await lab.refused(transport, { queue }), 'badFilter');
      }
    },
  },
  {
    name: 'an unknown event type is refused',
    section: 'grpc §9',
    transports: ['grpc'],
    run: async (lab, transport) => {
      const refusal = await lab.refused(transport, { events: ['job.imagined'] });
      expectRefusal(transport, refusal, 'badFilter');
    },
  },
  {
    name: 'unknown query parameters and event names are ignored',
    section,
    transports: http,
    run: async (lab, transport) => {
      const events = ['job.created', 'job.imagined'];
      const queue = lab.queue();
      const stream = await lab.open(transport, { queue, events, query: { colour: 'blue' } });
      await stream.waitForEventOf(await lab.rest.enqueue(queue));
    },
  },
  {
    name: 'a Ping without a cursor comes first',
    section: '§3',
    transports: ['websocket', 'grpc'],
    run: async (lab, transport) => {
      const queue = lab.queue();
      const stream = await lab.open(transport, { queue });
      await stream.waitForEventOf(await lab.rest.enqueue(queue));
      const [{ type, data, id }] = stream.messages;
      equal([type, id], ['Ping', undefined], 'type and id of the first message');
      check(Number.isFinite(Date.parse(data.timestamp)), 'the Ping has no timestamp');
      const pings = stream.messages.filter((message) => message.type === 'Ping');
      equal(pings.length, 1, 'the number of Pings');
    },
  },
  {
    name: 'the head, `: connected <cursor>` and `retry: 3000` come first',
    section: '§4',
    transports: ['sse'],
    run: async (lab, transport) => {
      const stream = await lab.open(transport);
      const { headers } = stream.response;
      check(/^text\/event-stream/.test(headers.get('content-type')), 'not an event stream');
      equal(headers.get('cache-control'), 'no-cache', 'Cache-Control');
      equal(headers.get('x-accel-buffering'), 'no', 'X-Accel-Buffering');
      equal(headers.get('content-encoding'), null, 'Content-Encoding');
      check(stream.cursor !== undefined, `no cursor in the comment "${stream.comments[0]}"`);
      equal(stream.retryMs, 3000, 'retry');
    },
  },
];
