import { webSocketCommand } from './commands.schema.js';

const everything = { queue: null, jobId: null, workerId: null, events: null };

describe('a WebSocket command', () => {
  it.each([
    { cmd: 'Subscribe', queue: 'emails', job_id: null },
    { cmd: 'subscribe', queue: 'emails' },
    { type: 'subscribe', filter: { queue_name: 'emails' } },
    {
      type: 'Subscribe',
      filter: { queue_name: 'emails', job_id: '', worker_id: '', events: null },
    },
  ])('is the same in every dialect: %j', (written) => {
    expect(webSocketCommand.parse(written)).toEqual({
      name: 'subscribe',
      requestId: null,
      filter: { ...everything, queue: 'emails' },
      lastEventId: null,
    });
  });

  it('takes absent, null and empty fields alike', () => {
    for (const fields of [{}, { queue: null, job_id: null }, { queue: '', filter: null }]) {
      const command = webSocketCommand.parse({ cmd: 'Unsubscribe', ...fields });
      expect(command).toEqual({ name: 'unsubscribe', requestId: null, filter: everything });
    }
  });

  it('keeps the request id, the cursor and the whole filter', () => {
    const filter = { queue_name: 'q', job_id: 'j', worker_id: 'w', events: ['job.created'] };
    expect(
      webSocketCommand.parse({
        type: 'subscribe',
        request_id: 'sub-1',
        filter,
        last_event_id: 'e-1',
      }),
    ).toEqual({
      name: 'subscribe',
      requestId: 'sub-1',
      filter: { queue: 'q', jobId: 'j', workerId: 'w', events: ['job.created'] },
      lastEventId: 'e-1',
    });
  });

  it('may be a ping or a new credential', () => {
    expect(webSocketCommand.parse({ cmd: 'PING' })).toEqual({ name: 'ping', requestId: null });
    expect(webSocketCommand.parse({ cmd: 'Authenticate', token: 't' })).toMatchObject({
      name: 'authenticate',
      token: 't',
    });
  });

  it.each([
    null,
    [],
    'Subscribe',
    {},
    { cmd: 'Publish' },
    { cmd: 7 },
    { cmd: 'Authenticate' },
    { cmd: 'Subscribe', queue: 'a b' },
    { cmd: 'Subscribe', queue: 'x'.repeat(101) },
    { cmd: 'Subscribe', queue: 1 },
    { cmd: 'Subscribe', job_id: 'x'.repeat(256) },
    { type: 'subscribe', filter: 'all' },
    { type: 'subscribe', filter: { events: 'job.created' } },
    { cmd: 'Subscribe', request_id: 'x'.repeat(129) },
  ])('is refused when malformed: %j', (written) => {
    expect(webSocketCommand.safeParse(written).success).toBe(false);
  });
});
