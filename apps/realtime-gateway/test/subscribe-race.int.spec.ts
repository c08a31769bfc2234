import { eventually, type WsClient } from '@spooled/testing';
import { randomUUID } from 'node:crypto';
import { changed, completed, created } from './fixtures.js';
import { liveGrpc } from './grpc-client.js';
import { seqOf, TestGateway, type Caller, type Wire } from './setup.js';

const TRIES = { webSocket: 4000, sse: 800, grpc: 500, job: 700 } as const;
/** Tries under way at once. */
const WORKERS = 16;
/** Events that prove where a stream begins and that it goes on. */
const PROOF = 3;

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await TestGateway.start();
});

afterAll(async () => {
  await gateway.stop();
});

/** Commits events without pause, one transaction after the other. */
class Writer {
  /** Sequence of the newest event that is known to be committed. */
  committed = 0;
  #isStopped = false;
  readonly #done: Promise<void>;

  constructor(readonly caller: Caller) {
    this.#done = this.#write();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }

  async #write(): Promise<void> {
    while (!this.#isStopped) {
      const size = 1 + (this.committed % 3);
      const events = Array.from({ length: size }, (_, n) => created(`j${this.committed + n}`, 'a'));
      await gateway.append(this.caller, ...events);
      this.committed += size;
    }
  }
}

async function many(tries: number, attempt: (number: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < tries) await attempt(next++);
  };
  await Promise.all(Array.from({ length: WORKERS }, worker));
}

/** The events go on where the cursor stands, without a hole. */
function expectDenseAfter(cursor: number, events: readonly Wire[]): void {
  expect(events.map(seqOf)).toEqual(events.map((_, index) => cursor + 1 + index));
}

describe('what is committed while a client subscribes is in what it reads then, or in its stream', () => {
  let writer: Writer;
  beforeAll(() => {
    writer = new Writer(gateway.caller());
  });
  afterAll(async () => {
    await writer.stop();
  });

  it('after the cursor of the first comment, over SSE', async () => {
    await many(TRIES.sse, async () => {
      const stream = await gateway.sse(writer.caller, '/events?events=job.created');
      await stream.waitForCount(PROOF);
      await stream.close();
      const cursor = seqOf({ id: stream.comments[0]!.replace('connected ', '') });
      expectDenseAfter(cursor, stream.events as unknown as Wire[]);
    });
  });

  it('after the first Ping, over gRPC', async () => {
    await many(TRIES.grpc, async () => {
      const stream = await liveGrpc(gateway, writer.caller, { event_types: ['job.created'] });
      const { committed } = writer;
      await eventually(() => stream.stored.length >= PROOF);
      stream.cancel();
      const begin = seqOf(stream.stored[0]!) - 1;
      expect(begin).toBeLessThanOrEqual(committed);
      expectDenseAfter(begin, stream.stored);
    });
  });

  it('between the cursors of its acknowledgements, over WebSocket', async () => {
    const clients: WsClient[] = [];
    for (let index = 0; index < WORKERS; index += 1) {
      clients.push(await gateway.live(writer.caller, { job_id: 'none' }));
    }
    await many(TRIES.webSocket, async () => {
      const client = clients.pop()!;
      const seen = client.messages.length;
      const fresh = (): Wire[] => client.messages.slice(seen) as Wire[];
      const stored = (): Wire[] => fresh().filter(({ id }) => id !== undefined);
      const command = async (cmd: string): Promise<number> => {
        const request_id = randomUUID();
        client.send({ cmd, queue: 'a', request_id });
        const isAck = (message: Wire): boolean => message.request_id === request_id;
        return seqOf({ id: (await eventually(() => fresh().find(isAck) ?? null))!.cursor! });
      };
      const from = await command('Subscribe');
      await eventually(() => stored().length >= PROOF);
      const to = await command('Unsubscribe');
      expectDenseAfter(from, stored());
      expect(seqOf(stored().at(-1)!)).toBe(to);
      clients.push(client);
    });
  });
});

it('the snapshot of a job and its stream are the whole of its life', async () => {
  const caller = gateway.caller();
  // Long enough for the job to go on meanwhile.
  gateway.neighbours.snapshotDelayMs = 25;
  await many(TRIES.job, async (number) => {
    const job = `life-${number}`;
    // A snapshot may know of what is only about to be told, never less than was told.
    const tell = async (rev: number, status: 'pending' | 'processing' | 'completed') => {
      gateway.job(caller, job, status, rev);
      const change = changed(job, status, { rev });
      const done = status === 'completed' ? [completed(job, { rev })] : [];
      await gateway.append(caller, change, ...done);
    };
    await tell(1, 'pending');
    const living = (async () => {
      for (let rev = 2; rev < 6; rev += 1) await tell(rev, 'processing');
      await tell(6, 'completed');
    })();
    const stream = await gateway.sse(caller, `/events/jobs/${job}`);
    await Promise.all([living, stream.ended]);
    const revs = stream.events.map(({ data }) => (JSON.parse(data) as Wire).data['rev'] as number);
    const [snapshot] = revs as [number];
    const told = Array.from({ length: 6 - snapshot }, (_, index) => snapshot + 1 + index);
    // The last transition is told by two events.
    expect(revs).toEqual([snapshot, ...told, ...(snapshot === 6 ? [] : [6])]);
  });
});
