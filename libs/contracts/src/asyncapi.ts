import { z } from 'zod';
import { API_BASE } from './route.js';
import {
  acknowledgement,
  closeCodes,
  commandError,
  commandMessages,
} from './realtime/messages.schema.js';
import { eventsGrpc } from './realtime/events.grpc.js';
import {
  controlEvent,
  eventNames,
  optInEvents,
  storedEvent,
  type EventTag,
} from './realtime/events.schema.js';
import { realtimeApi } from './realtime/realtime.api.js';

type Reference = Readonly<{ $ref: string }>;
type Fragments = Readonly<Record<string, object>>;

const SPEC = '3.0.0';
const BINDING = { http: '0.3.0', ws: '0.1.0' } as const;
const PARAMETER = /:(\w+)/g;

const storedTags = storedEvent.options.map(({ shape }) => shape.type.value);
const controlTags = controlEvent.options.map(({ shape }) => shape.type.value);
const eventTags: readonly EventTag[] = [...storedTags, ...controlTags];
const JOB_TAGS: readonly string[] = [
  'JobStatusChange',
  'JobCompleted',
  'JobFailed',
  ...optInEvents,
  'Error',
];
const QUEUE_TAGS: readonly string[] = [...JOB_TAGS, 'JobCreated', 'QueueStats'];

/**
 * AsyncAPI 3.0 of the event streams, seen from the server: it sends events and receives commands. Made from the schemas
 * that events and commands are checked with.
 */
export function asyncApiDocument(): object {
  return {
    asyncapi: SPEC,
    info: {
      title: 'Spooled events',
      version: '1',
      description: [
        "Every state change of an organization's jobs, queues and workers, as it happens.",
        'Stored events carry `id`, an opaque cursor: a client that gives the newest one it has handled back',
        '(`last_event_id`, the header `Last-Event-ID`) gets exactly the newer events that pass its filters, then live',
        'ones. A cursor that is no good is answered with an `Error` event, `code` `CURSOR_EXPIRED`, whose `resume_from` is',
        'the oldest one still held. Control events are about the present only and never carry `id`.',
        'Types that a client does not know are to be ignored.',
      ].join('\n'),
    },
    defaultContentType: 'application/json',
    servers: servers(),
    channels: channels(),
    operations: operations(),
    components: {
      securitySchemes,
      schemas: eventSchemas(),
      messages: { ...eventMessages(), ...otherMessages() },
    },
  };
}

const securitySchemes = {
  key: { type: 'http', scheme: 'bearer', description: 'API key or JWT access token' },
  apiKey: { type: 'httpApiKey', in: 'header', name: 'X-API-Key' },
  token: { type: 'httpApiKey', in: 'query', name: 'token', description: 'JWT or API key' },
  apiKeyQuery: { type: 'httpApiKey', in: 'query', name: 'api_key' },
  ticket: {
    type: 'httpApiKey',
    in: 'query',
    name: 'ticket',
    description: 'Of `POST /api/v1/auth/tickets`; opens one stream within 30 seconds.',
  },
};

function servers(): Fragments {
  const server = (protocol: string, names: readonly string[], more: object = {}): object => ({
    host: '{host}',
    protocol,
    variables: { host: { description: 'host, and port when it is not the usual one' } },
    security: names.map((name) => ref('components/securitySchemes', name)),
    ...more,
  });
  const http = Object.keys(securitySchemes);
  return {
    webSocket: server('ws', http, { pathname: API_BASE }),
    sse: server('http', http, { pathname: API_BASE }),
    grpc: server('grpc', ['key', 'apiKey'], {
      description: 'Proto package spooled.v1; the credential is metadata of the same names.',
    }),
  };
}

const routesOf = {
  events: realtimeApi.events,
  jobEvents: realtimeApi.jobEvents,
  queueEvents: realtimeApi.queueEvents,
};
const commandNames = Object.keys(commandMessages).map(commandMessageName);

/** The messages of each channel: those the server sends, and those it receives. */
const traffic = {
  webSocket: { sends: [...eventTags, 'Acknowledgement', 'CommandError'], receives: commandNames },
  events: { sends: eventTags, receives: [] },
  jobEvents: {
    sends: [...eventTags.filter((tag) => JOB_TAGS.includes(tag)), 'JobSnapshot'],
    receives: [],
  },
  queueEvents: { sends: eventTags.filter((tag) => QUEUE_TAGS.includes(tag)), receives: [] },
  subscribeEvents: { sends: ['GrpcEvent'], receives: ['SubscribeEventsRequest'] },
} as const satisfies Record<string, { sends: readonly string[]; receives: readonly string[] }>;
type Channel = keyof typeof traffic;

function channels(): Fragments {
  const { webSocket } = realtimeApi;
  const { service, method } = eventsGrpc.subscribeEvents;
  const sse = named(Object.entries(routesOf), ([name, spec]) => [
    name,
    {
      address: spec.path.replaceAll(PARAMETER, '{$1}'),
      summary: spec.summary,
      description: [
        'Begins with the comment `: connected <cursor>`: state read after it, plus the events after the cursor, misses',
        'nothing. Each event is `id` (stored ones only), `event` (the dotted name) and `data` (this payload, one line).',
      ].join('\n'),
      servers: [ref('servers', 'sse')],
      parameters: Object.fromEntries(
        [...spec.path.matchAll(PARAMETER)].map(([, parameter = '']) => [parameter, {}]),
      ),
      messages: messagesOf(name as Channel),
    },
  ]);
  return {
    webSocket: {
      address: webSocket.path,
      summary: 'Events out, commands in; text frames of one JSON object each.',
      servers: [ref('servers', 'webSocket')],
      messages: messagesOf('webSocket'),
      bindings: {
        ws: {
          method: webSocket.method,
          query: schemaOf(webSocket.query, 'input'),
          bindingVersion: BINDING.ws,
        },
      },
      'x-close-codes': closeCodes,
    },
    ...sse,
    subscribeEvents: {
      address: `/${service}/${method}`,
      summary: 'The same events over gRPC; a server stream.',
      servers: [ref('servers', 'grpc')],
      messages: messagesOf('subscribeEvents'),
    },
  };
}

function messagesOf(channel: Channel): Fragments {
  const { sends, receives } = traffic[channel];
  return named([...sends, ...receives], (name) => [name, ref('components/messages', name)]);
}

function operations(): Fragments {
  const operation = (action: 'send' | 'receive', channel: Channel, more: object = {}): object => ({
    action,
    channel: ref('channels', channel),
    messages: traffic[channel][`${action}s`].map((name) =>
      ref(`channels/${channel}/messages`, name),
    ),
    ...more,
  });
  const sse = named(Object.entries(routesOf), ([name, { method, query, summary }]) => [
    `send${name[0]?.toUpperCase()}${name.slice(1)}`,
    operation('send', name as Channel, {
      summary,
      bindings: {
        http: { method, query: schemaOf(query, 'input'), bindingVersion: BINDING.http },
      },
    }),
  ]);
  return {
    sendWebSocketEvents: operation('send', 'webSocket'),
    receiveWebSocketCommands: operation('receive', 'webSocket'),
    ...sse,
    receiveSubscribeEvents: operation('receive', 'subscribeEvents'),
    sendSubscribedEvents: operation('send', 'subscribeEvents'),
  };
}

/** The `data` of each event, and the cursor. */
function eventSchemas(): Fragments {
  const data = named([...storedEvent.options, ...controlEvent.options], ({ shape }) => [
    dataName(shape.type.value),
    schemaOf(shape.data, 'output'),
  ]);
  return {
    Cursor: { type: 'string', description: 'Opaque position in the event log.' },
    ...data,
  };
}

function eventMessages(): Fragments {
  return {
    ...named(storedTags, (tag) => [tag, eventMessage(tag, { hasId: true })]),
    ...named(controlTags, (tag) => [tag, eventMessage(tag, { hasId: false })]),
  };
}

function eventMessage(tag: EventTag, { hasId }: { hasId: boolean }): object {
  return {
    name: eventNames[tag],
    title: tag,
    ...(optInEvents.has(tag) ? { summary: 'Only for subscribers that name it.' } : {}),
    payload: {
      type: 'object',
      required: ['type', 'data', ...(hasId ? ['id'] : [])],
      properties: {
        type: { const: tag },
        data: ref('components/schemas', dataName(tag)),
        ...(hasId ? { id: ref('components/schemas', 'Cursor') } : { id: false }),
      },
    },
  };
}

function otherMessages(): Fragments {
  const commands = named(
    Object.entries(commandMessages),
    ([name, { summary, payload, examples }]) => [
      commandMessageName(name),
      {
        name,
        summary,
        payload: schemaOf(payload, 'input'),
        examples: examples.map((example) => ({ payload: example })),
      },
    ],
  );
  return {
    ...commands,
    Acknowledgement: {
      summary: 'Answers a command that carried `request_id`.',
      payload: schemaOf(acknowledgement, 'output'),
    },
    CommandError: {
      summary: 'Refuses a command that carried `request_id`.',
      payload: schemaOf(commandError, 'output'),
    },
    JobSnapshot: {
      ...eventMessage('JobStatusChange', { hasId: false }),
      summary: 'Where the job stands when the stream begins; `old_status` is empty.',
    },
    SubscribeEventsRequest: {
      summary: 'Neither queues nor jobs = the whole organization; otherwise any of them.',
      // proto3: every field may be left out.
      payload: { ...schemaOf(eventsGrpc.subscribeEvents.request, 'input'), required: [] },
    },
    GrpcEvent: {
      summary: 'Any of the events: `type` says which, `id` is empty for control events.',
      payload: {
        type: 'object',
        required: ['id', 'type', 'name', 'timestamp', 'data'],
        properties: {
          id: ref('components/schemas', 'Cursor'),
          type: { enum: eventTags },
          name: { enum: eventTags.map((tag) => eventNames[tag]) },
          timestamp: { type: 'string', format: 'date-time' },
          data: { anyOf: eventTags.map((tag) => ref('components/schemas', dataName(tag))) },
        },
      },
    },
  };
}

function named<T>(items: readonly T[], entry: (item: T) => [name: string, object]): Fragments {
  return Object.fromEntries(items.map(entry));
}

/** There is an event of the name `Ping`, too. */
function commandMessageName(command: string): string {
  return `${command}Command`;
}

function dataName(tag: EventTag): string {
  return `${tag}Data`;
}

function ref(place: string, name: string): Reference {
  return { $ref: `#/${place}/${name}` };
}

/** AsyncAPI's own dialect is a superset of draft 7. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...written } = z.toJSONSchema(schema, {
    io,
    target: 'draft-7',
    unrepresentable: 'any',
  });
  return written;
}
