/** Credentials that are renewed, used once, narrowed and taken away. */
import { check, equal } from '../assert.mjs';
import { transports } from '../lab.mjs';
import { patient } from '../patience.mjs';

const section = '§5';
const http = ['websocket', 'sse'];
const CUT_WITHIN_MS = 5_000;
const jobIds = (stream) => stream.stored.map(({ data }) => data.job_id);
const cutWith = { websocket: 4401, sse: 'end', grpc: 'UNAUTHENTICATED' };

export const credentials = [
  {
    name: 'Authenticate replaces the credential without a reconnect',
    section,
    transports: ['websocket'],
    run: async (lab, transport) => {
      const queue = lab.queue();
      const key = await lab.key();
      const stream = await lab.open(transport, { queue, credential: key.key });
      const answer = await stream.ask({ cmd: 'Authenticate', token: lab.target.apiKey });
      equal(answer.type, 'authenticated', 'the answer');
      await lab.revoke(key);
      const other = await lab.open(transport, { queue });
      await stream.waitForEventOf(await lab.rest.enqueue(queue));
      await other.waitForStored(1);
      check(stream.end === undefined, 'the stream has ended');
    },
  },
  {
    name: 'Authenticate with a bad token is UNAUTHORIZED and changes nothing',
    section,
    transports: ['websocket'],
    run: async (lab, transport) => {
      const queue = lab.queue();
      const stream = await lab.open(transport, { queue });
      stream.send({ cmd: 'Authenticate', token: 'nonsense' });
      equal((await stream.waitForType('Error')).data.code, 'UNAUTHORIZED', 'the code');
      const answer = await stream.ask({ cmd: 'Authenticate', token: 'nonsense' });
      equal([answer.type, answer.code], ['error', 'UNAUTHORIZED'], 'the answer');
      await stream.waitForEventOf(await lab.rest.enqueue(queue));
    },
  },
  {
    name: 'a ticket opens one stream, once',
    section,
    transports: http,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const { stream, ticket } = await lab.openByTicket(transport, { queue });
      const options = { authBy: 'ticket', credential: ticket, queue };
      equal((await lab.refused(transport, options)).status, 401, 'the status of the second use');
      await stream.waitForEventOf(await lab.rest.enqueue(queue));
    },
  },
  {
    name: 'a ticket can be narrowed to a queue or a job',
    section,
    transports: http,
    run: async (lab, transport) => {
      const [mine, other] = [lab.queue(), lab.queue()];
      const [job, neighbour] = await lab.rest.enqueueMany(mine, 2);
      const { stream: ofQueue } = await lab.openByTicket(transport, {}, { queue: mine });
      const { stream: ofJob } = await lab.openByTicket(transport, {}, { job_id: job });
      await lab.rest.enqueue(other);
      await lab.rest.cancel(neighbour);
      await lab.rest.cancel(job);
      await ofQueue.waitForEventOf(job);
      await ofJob.waitForEventOf(job);
      equal(jobIds(ofQueue), [neighbour, job], 'the jobs told of to the ticket of a queue');
      equal(jobIds(ofJob), [job], 'the jobs told of to the ticket of a job');
      const refusal = await lab
        .openByTicket(transport, { queue: other }, { queue: mine })
        .catch((error) => error);
      equal(refusal.status, 403, 'the status out of scope');
    },
  },
  {
    name: 'a revoked key ends its streams within 5 s, and no others',
    section: '§1',
    transports,
    run: async (lab, transport) => {
      const queue = lab.queue();
      const key = await lab.key();
      const stream = await lab.open(transport, { queue, credential: key.key });
      const bystander = await lab.open(transport, { queue });
      await stream.waitForEventOf(await lab.rest.enqueue(queue));
      await lab.revoke(key);
      equal(await stream.waitForEnd(CUT_WITHIN_MS), cutWith[transport], 'how it ended');
      const last = await lab.rest.enqueue(queue);
      await bystander.waitForEventOf(last);
      check(!jobIds(stream).includes(last), 'it went on to deliver');
      const { status } = await lab.refused(transport, { queue, credential: key.key });
      equal(status, transport === 'grpc' ? 'UNAUTHENTICATED' : 401, 'the status afterwards');
    },
  },
  {
    name: 'a key whose queues are narrowed sees less within 5 s',
    section: '§1',
    transports,
    run: async (lab, transport) => {
      const [kept, lost] = [lab.queue(), lab.queue()];
      const key = await lab.key({ queues: [kept, lost] });
      const stream = await lab.open(transport, { credential: key.key });
      await stream.waitForEventOf(await lab.rest.enqueue(lost));
      await lab.rest.call('PUT', `/api-keys/${key.id}`, { queues: [kept] });
      const deadline = performance.now() + patient(CUT_WITHIN_MS);
      for (;;) {
        const [hidden, shown] = [await lab.rest.enqueue(lost), await lab.rest.enqueue(kept)];
        await stream.waitForEventOf(shown);
        if (!jobIds(stream).includes(hidden)) return;
        check(performance.now() < deadline, 'the stream still shows the queue');
        await lab.quiet();
      }
    },
  },
  {
    name: 'a token that is logged out ends its streams within 5 s',
    section: '§1',
    transports: ['websocket'],
    run: async (lab, transport, available) => {
      const key = await lab.key();
      const token = await lab.rest.as(key.key).login();
      const opened = await Promise.all(
        available.map(async (each) => [
          each,
          await lab.open(each, { credential: token, authBy: 'bearer' }),
        ]),
      );
      await lab.rest.as(token).call('POST', '/auth/logout');
      for (const [each, stream] of opened) {
        equal(await stream.waitForEnd(CUT_WITHIN_MS), cutWith[each], `how ${each} ended`);
      }
    },
  },
];
