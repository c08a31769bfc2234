import { Ajv, type ValidateFunction } from 'ajv';
import specs from '@asyncapi/specs';
import { readFileSync } from 'node:fs';
import { asyncApiDocument } from './asyncapi.js';
import { webSocketCommand } from './realtime/commands.schema.js';
import { eventNames, optInEvents, storedEvent } from './realtime/events.schema.js';
import { closeCodes } from './realtime/messages.schema.js';
import { realtimeApi } from './realtime/realtime.api.js';

interface Message {
  readonly name?: string;
  readonly title?: string;
  readonly payload: object;
  readonly examples?: readonly { payload: object }[];
}
interface Operation {
  readonly action: string;
  readonly channel: { $ref: string };
  readonly messages: readonly { $ref: string }[];
}
const document = asyncApiDocument() as {
  channels: Record<string, { address: string; messages: Record<string, { $ref: string }> }>;
  operations: Record<string, Operation>;
  components: { messages: Record<string, Message>; schemas: Record<string, object> };
};
const { messages } = document.components;
const now = new Date().toISOString();

/** A check of one message of the document, by its own schema. */
function checkOf(name: string): ValidateFunction {
  const ajv = new Ajv({ strict: false, validateFormats: false });
  ajv.addSchema(document, 'asyncapi');
  return ajv.compile({ $ref: `asyncapi#/components/messages/${name}/payload` });
}

describe('the AsyncAPI document', () => {
  it('obeys the official schema of AsyncAPI 3.0', () => {
    const { definitions, ...schema } = specs.schemas['3.0.0'] as {
      definitions: Record<string, object>;
    };
    // The schema brings the schema of schemas along, which the checker knows already.
    const { 'http://json-schema.org/draft-07/schema': _, ...rest } = definitions;
    const check = new Ajv({ strict: false, validateFormats: false }).compile({
      ...schema,
      definitions: rest,
    });
    check(document);
    expect(check.errors ?? []).toEqual([]);
    expect(check({ ...document, channels: { bad: { adress: '/ws' } } })).toBe(false);
    expect(check({ ...document, info: {} })).toBe(false);
  });

  it('is plain JSON whose references all lead somewhere', () => {
    const text = JSON.stringify(document);
    expect(JSON.parse(text)).toEqual(document);
    const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = '']) => path);
    expect(references.length).toBeGreaterThan(50);
    for (const path of references) {
      let found: unknown = document;
      for (const part of path.split('/')) found = (found as Record<string, unknown>)[part];
      expect([path, typeof found]).toEqual([path, 'object']);
    }
  });

  it('has a channel for each stream', () => {
    const addresses = Object.values(document.channels).map(({ address }) => address);
    const paths = Object.values(realtimeApi).map(({ path }) => path.replace(/:(\w+)/, '{$1}'));
    expect(addresses.sort()).toEqual([...paths, '/spooled.v1.EventService/SubscribeEvents'].sort());
  });

  it('has operations that use every message of their channel, each once', () => {
    const used = Object.values(document.operations).flatMap((operation) =>
      operation.messages.map(({ $ref }) => $ref),
    );
    const offered = Object.entries(document.channels).flatMap(([channel, each]) =>
      Object.keys(each.messages).map((name) => `#/channels/${channel}/messages/${name}`),
    );
    expect(used.sort()).toEqual(offered.sort());
  });

  it.each(Object.entries(eventNames))('describes %s as %s', (tag, name) => {
    expect(messages[tag]).toMatchObject({ name, title: tag });
  });

  it.each(storedEvent.options.map(({ shape }) => shape.type.value))(
    'wants a cursor on %s',
    (tag) => {
      expect(messages[tag]?.payload).toMatchObject({
        required: ['type', 'data', 'id'],
        properties: { id: { $ref: '#/components/schemas/Cursor' } },
      });
    },
  );

  it.each([...optInEvents])('says that %s must be named, and has it on every stream', (tag) => {
    expect(messages[tag]).toMatchObject({ summary: 'Only for subscribers that name it.' });
    const { subscribeEvents: _, ...channels } = document.channels;
    for (const channel of Object.values(channels)) expect(channel.messages).toHaveProperty(tag);
  });

  const log = { job_id: 'j1', queue_name: 'emails', worker_id: 'w', timestamp: now };
  const created = {
    job_id: 'j1',
    queue_name: 'emails',
    priority: 0,
    timestamp: now,
    status: 'pending',
    rev: 1,
  };
  const moved = { job_id: 'j1', queue_name: 'emails', old_status: '', timestamp: now, rev: 1 };
  it.each([
    ['JobCreated', { type: 'JobCreated', data: created, id: 'e-1' }, true],
    ['JobCreated', { type: 'JobCreated', data: created }, false],
    ['JobCreated', { type: 'JobCreated', data: { ...created, rev: 0 }, id: 'e-1' }, false],
    ['JobCreated', { type: 'JobFailed', data: created, id: 'e-1' }, false],
    ['JobSnapshot', { type: 'JobStatusChange', data: { ...moved, new_status: 'pending' } }, true],
    ['Ping', { type: 'Ping', data: { timestamp: now } }, true],
    ['Ping', { type: 'Ping', data: { timestamp: now }, id: 'e-1' }, false],
    ['Error', { type: 'Error', data: { message: 'gone', timestamp: now } }, true],
    ['JobLog', { type: 'JobLog', data: { ...log, offset: 0, lines: ['one'] } }, true],
    ['JobLog', { type: 'JobLog', data: { ...log, offset: -1, lines: ['one'] } }, false],
    ['JobProgress', { type: 'JobProgress', data: { ...log, percent: 0.5, message: null } }, true],
    ['JobProgress', { type: 'JobProgress', data: { ...log, percent: 101, message: null } }, false],
    ['GrpcEvent', { id: '', type: 'Ping', name: 'ping', timestamp: now, data: created }, true],
    ['Acknowledgement', { type: 'subscribed', request_id: '1', cursor: 'e-1' }, true],
    ['CommandError', { type: 'error', request_id: '1', error: 'no', code: 'ACCESS_DENIED' }, true],
    ['SubscribeEventsRequest', { queue_names: ['a'], job_ids: [], event_types: ['*'] }, true],
  ])('judges a %s as the server would: %j is valid: %s', (name, message, isValid) => {
    const check = checkOf(name);
    expect([check(message), isValid ? check.errors : []]).toEqual([isValid, isValid ? null : []]);
  });

  const commands = Object.entries(messages).filter(([name]) => name.endsWith('Command'));
  it.each(commands)('gives examples of %s that the server takes', (name, { examples = [] }) => {
    expect(examples.length).toBeGreaterThan(0);
    for (const { payload } of examples) {
      const check = checkOf(name);
      check(payload);
      expect(check.errors ?? []).toEqual([]);
      const command = webSocketCommand.safeParse(payload);
      expect(`${command.data?.name}Command`).toBe(name.replace(/^./, (c) => c.toLowerCase()));
    }
  });

  it('has the close codes that the guide has', () => {
    const guide = readFileSync(new URL('../../../docs/realtime.md', import.meta.url), 'utf8');
    const codes = [...guide.matchAll(/^\| (\d{4}) /gm)].map(([, code]) => code);
    expect(Object.keys(closeCodes)).toEqual(codes);
  });
});
