/** What a WebSocket client may say. */
import { check, equal } from '../assert.mjs';
import { lives, outline } from '../lives.mjs';

const section = '§3';
const transports = ['websocket'];
const jobIds = (stream) => stream.stored.map(({ data }) => data.job_id);
const isOf =
  (queues) =>
  ({ data }) =>
    queues.includes(data.queue_name);
const MAX_BYTES = 64 * 1024;

async function expectAlive(stream) {
  const before = stream.messages.filter(({ type }) => type === 'Ping').length;
  stream.send({ cmd: 'Ping' });
  const pings = () => stream.messages.filter(({ type }) => type === 'Ping').length;
  await stream.until(() => pings() > before, 'the answer to a Ping');
}

export const commands = [
  {
    name: 'Ping is answered, in any case; a protocol ping too',
    section,
    transports,
    run: async (lab, transport) => {
      const stream = await lab.open(transport);
      for (const cmd of ['Ping', 'ping', 'PING']) {
        const before = stream.messages.length;
        stream.send({ cmd });
        const isPing = () => stream.messages.slice(before).some(({ type }) => type === 'Ping');
        await stream.until(isPing, `the answer to ${cmd}`);
      }
      let isAnswered = false;
      stream.socket.once('pong', () => {
        isAnswered = true;
        stream.send({ cmd: 'Ping' });
      });
      stream.socket.ping();
      await stream.until(() => isAnswered, 'the pong');
    },
  },
  {
    name: 'Subscribe and Unsubscribe add and take copies of filters',
    section,
    transports,
    run: async (lab, transport) => {
      const [first, second, third] = [lab.queue(), lab.queue(), lab.queue()];
      const stream = await lab.open(transport);
      await stream.ask({ cmd: 'Subscribe', queue: first });
      await stream.ask({ cmd: 'Subscribe', queue: second, job_id: null });
      await stream.ask({ cmd: 'subscribe', queue: second });
      await stream.ask({ cmd: 'Unsubscribe', queue: second, job_id: null });
      await stream.ask({ cmd: 'Unsubscribe', queue: 'of-nobody' });
      await lab.rest.enqueue(third);
      const ids = [await lab.rest.enqueue(second)];
      await stream.waitForEventOf(ids[0]);
      await stream.ask({ cmd: 'unsubscribe', queue: second });
      await lab.rest.enqueue(second);
      ids.push(await lab.rest.enqueue(first));
      await stream.waitForEventOf(ids[1]);
      const told = stream.stored.filter(isOf([first, second, third]));
      equal(
        told.map(({ data }) => data.job_id),
        ids,
        'the jobs told of',
      );
      // The last one gone, everything passes again.
      await stream.ask({ cmd: 'Unsubscribe', queue: first });
      await stream.waitForEventOf(await lab.rest.enqueue(third));
    },
  },
  {
    name: 'a command with request_id is acknowledged with a cursor, one without is not',
    section,
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const stream = await lab.open(transport, { events: ['job.imagined'] });
      stream.send({ cmd: 'Subscribe', queue });
      const filter = { queue_name: queue };
      const subscribed = await stream.ask({ type: 'subscribe', filter });
      const unsubscribed = await stream.ask({ type: 'unsubscribe', filter });
      equal([subscribed.type, typeof subscribed.cursor], ['subscribed', 'string'], 'the answer');
      equal(unsubscribed.type, 'unsubscribed', 'the answer');
      const told = stream.messages.map(({ type }) => type).filter((type) => type !== 'Ping');
      equal(told, ['subscribed', 'unsubscribed'], 'the messages');
    },
  },
  {
    name: 'the dialect with `filter` binds by queue and by events',
    section,
    transports,
    run: async (lab, transport) => {
      const [mine, other] = [lab.queue(), lab.queue()];
      const stream = await lab.open(transport);
      const filter = { queue_name: mine, events: ['job.status', 'JobCompleted'] };
      await stream.ask({ type: 'subscribe', filter });
      await lab.rest.enqueue(other);
      await lives.completed.live(lab.rest, mine);
      const told = () => stream.stored.filter(isOf([mine, other]));
      await stream.until(() => told().length >= 3, 'the three events');
      equal(told().map(outline), lives.completed.events.slice(1), 'the events');
    },
  },
  {
    name: 'malformed JSON and unknown commands get INVALID_COMMAND, and the socket stays',
    section,
    transports,
    run: async (lab, transport) => {
      const stream = await lab.open(transport);
      for (const text of ['{', '[]', '{"cmd":"Dance"}', '{}', 'null']) {
        const before = stream.messages.length;
        stream.send(text);
        const isError = ({ type }) => type === 'Error';
        const found = () => stream.messages.slice(before).find(isError);
        const { data } = await stream.until(found, `the Error about ${text}`);
        equal(data.code, 'INVALID_COMMAND', `the code about ${text}`);
      }
      const answer = await stream.ask({ cmd: 'Dance' });
      equal([answer.type, answer.code], ['error', 'INVALID_COMMAND'], 'the answer');
      await expectAlive(stream);
    },
  },
  {
    name: 'binary frames are ignored',
    section,
    transports,
    run: async (lab, transport) => {
      const stream = await lab.open(transport, { events: ['job.imagined'] });
      stream.send(Buffer.from('{"cmd":"Dance"}'));
      await expectAlive(stream);
      check(!stream.messages.some(({ type }) => type === 'Error'), 'it was answered');
    },
  },
  {
    name: 'a message of 64 KiB is read, a larger one closes with 1009',
    section,
    transports,
    run: async (lab, transport) => {
      const stream = await lab.open(transport);
      const text = (bytes) => `{"cmd":"Ping","pad":"${'x'.repeat(bytes - 23)}"}`;
      equal(text(MAX_BYTES).length, MAX_BYTES, 'the length of the message');
      const before = stream.messages.length;
      stream.send(text(MAX_BYTES));
      await stream.until(() => stream.messages.length > before, 'the answer to 64 KiB');
      stream.send(text(MAX_BYTES + 1));
      equal(await stream.waitForEnd(), 1009, 'the close code');
    },
  },
  {
    name: 'more than 100 commands a second close with 1008, and nobody else notices',
    section,
    transports,
    run: async (lab, transport) => {
      const [stream, bystander] = [await lab.open(transport), await lab.open(transport)];
      for (let count = 0; count < 400; count++) stream.send({ cmd: 'Ping' });
      equal(await stream.waitForEnd(), 1008, 'the close code');
      await expectAlive(bystander);
    },
  },
  {
    name: 'a normal close is answered with 1000',
    section,
    transports,
    run: async (lab, transport) => {
      const stream = await lab.open(transport);
      stream.close();
      equal(await stream.waitForEnd(), 1000, 'the close code');
    },
  },
  {
    name: 'Subscribe to a queue out of scope is refused and changes nothing',
    section,
    transports,
    run: async (lab, transport) => {
      const [mine, other] = [lab.queue(), lab.queue()];
      const { key: credential } = await lab.key({ queues: [mine] });
      const stream = await lab.open(transport, { credential });
      stream.send({ cmd: 'Subscribe', queue: other });
      equal((await stream.waitForType('Error')).data.code, 'ACCESS_DENIED', 'the code');
      const answer = await stream.ask({ cmd: 'Subscribe', queue: other });
      equal([answer.type, answer.code], ['error', 'ACCESS_DENIED'], 'the answer');
      const id = await lab.rest.enqueue(mine);
      await stream.waitForEventOf(id);
      equal(jobIds(stream), [id], 'the jobs told of');
    },
  },
];
