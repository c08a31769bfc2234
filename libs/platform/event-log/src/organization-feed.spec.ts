import type { EventBatch, StoredEvent } from '@spooled/contracts';
import type { Bus } from '@spooled/nats';
import { eventually } from '@spooled/testing';

import { OrganizationFeed } from './organization-feed.js';

interface Answer {
  epoch: string;
  oldest: number;
  newest: number;
  batches: EventBatch[];
  done: boolean;
}

/** A feed at position 10 whose questions to the log are answered by hand. */
async function setup() {
  const questions: ((answer: Partial<Answer>) => void)[] = [];
  const bus = {
    async request(_spec: unknown, input: object) {
      if ('organizationIds' in input) return { epoch: 'e', positions: [{ newest: 10 }] };
      return new Promise((resolve) =>
        questions.push((answer) =>
          resolve({ epoch: 'e', oldest: 1, newest: 10, batches: [], done: true, ...answer }),
        ),
      );
    },
  };
  const feed = new OrganizationFeed('organization', bus as unknown as Bus);
  await feed.open();
  const seen: number[] = [];
  let resets = 0;
  feed.subscribe({
    onEvents: (events) => seen.push(...events.map(({ seq }) => seq)),
    onReset: () => (resets += 1),
  });
  const asked = (): Promise<boolean> => eventually(() => questions.length > 0);
  const answer = async (given: Partial<Answer>): Promise<void> => {
    await asked();
    questions.shift()?.(given);
    await new Promise(setImmediate);
  };
  return { feed, seen, resets: () => resets, asked, answer };
}

function batch(first: number, last: number, epoch = 'e'): EventBatch {
  const events = Array.from({ length: last - first + 1 }, () => ({}) as StoredEvent);
  return { organization_id: 'organization', epoch, first_seq: first, events };
}

describe('OrganizationFeed', () => {
  it('hands out each event once and in order, whatever order its batches come in', async () => {
    const { feed, seen } = await setup();
    for (const each of [batch(13, 13), batch(11, 12), batch(11, 12), batch(12, 14)]) {
      feed.accept(each);
    }
    expect(seen).toEqual([11, 12, 13, 14]);
    feed.close();
  });

  it('fetches from the log what does not arrive', async () => {
    const { feed, seen, answer } = await setup();
    feed.accept(batch(13, 13));
    await answer({ newest: 13, batches: [batch(11, 12)] });
    expect(seen).toEqual([11, 12, 13]);
    feed.close();
  });

  it('goes on when the bus overtakes an answer of the log', async () => {
    const { feed, seen, resets, asked, answer } = await setup();
    feed.verify('e', 12);
    await asked();
    feed.accept(batch(11, 15));
    await answer({ newest: 12, batches: [batch(11, 12)] });
    feed.accept(batch(16, 16));
    expect(seen).toEqual([11, 12, 13, 14, 15, 16]);
    expect(resets()).toBe(0);
    feed.close();
  });

  it.each([
    ['holds another history', { epoch: 'f', newest: 3 }, 3],
    ['ends before what was seen', { newest: 7 }, 7],
    ['no longer reaches back', { oldest: 20, newest: 30 }, 30],
  ])('says that continuity is lost when the log %s', async (_, given, position) => {
    const { feed, resets, answer } = await setup();
    feed.verify('e', 11);
    await answer(given);
    expect(resets()).toBe(1);
    expect(feed.position).toBe(position);
    feed.close();
  });

  it('reads nothing from a log that became another one, and looks where that stands', async () => {
    const { feed, resets, asked, answer } = await setup();
    const reading = feed.read(3, 5).next();
    await answer({ epoch: 'restored', batches: [batch(4, 5, 'restored')] });
    await expect(reading).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' });
    await asked();
    await answer({ epoch: 'restored', newest: 7 });
    expect(resets()).toBe(1);
    expect(feed).toMatchObject({ epoch: 'restored', position: 7 });
    feed.close();
  });
});
