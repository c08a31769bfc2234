/** Following events for as long as the user wants, over whatever happens to the connection. */
import type { EventOptions, SpooledEvent } from '@spooled/sdk';

import type { Cli } from '../cli.js';

/**
 * Everything that happens from `since`, or from now, on. Says on stderr how the connection is doing and, when it is
 * over, where to go on: after the last event that its reader was done with.
 *
 * @throws SpooledError when the server is not there at the start, or refuses for good.
 */
export async function* follow(
  { client, output, signal }: Cli,
  command: string,
  options: Omit<EventOptions, 'signal'>,
): AsyncGenerator<SpooledEvent, void> {
  // What runs may wait for a server that restarts; who has just typed an address wants to know that nobody is there.
  await client.health.get({ signal });
  const feed = client.events({
    ...options,
    signal,
    reconnect: { baseDelayMs: 500, maxDelayMs: 5_000 },
  });
  let cursor = options.since;
  feed.onStateChange((state) => {
    if (state === 'live') output.note(`live, at ${(cursor ??= feed.cursor)}`);
    else if (state !== 'connecting' && state !== 'stopped') output.note(state.replace('_', ' '));
  });
  try {
    for await (const event of feed) {
      yield event;
      cursor = event.id ?? cursor;
    }
  } finally {
    if (cursor !== undefined) output.note(`to go on: ${command} --since ${cursor}`);
  }
}
