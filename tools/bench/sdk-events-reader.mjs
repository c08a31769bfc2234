// Iterates events and keeps how late each was, in a buffer of its own so that it is not taken for growth; collects garbage
// once a second and keeps what is left.
import { SpooledClient } from '@spooled/sdk';

const lags = new Float32Array(2_000_000);
let count = 0;
let gaps = 0;
const heaps = [];

process.once('disconnect', () => process.exit());
process.on('message', (message) => {
  if (message !== 'report') return void read(message);
  process.send({ seen: { lags: [...lags.subarray(0, count)], heaps, gaps } });
});

async function read({ baseUrl, apiKey, transport }) {
  const client = new SpooledClient({ baseUrl, apiKey });
  const feed = client.events({ transport, events: ['job.created'] });
  feed.onStateChange((state) => {
    if (state === 'live') process.send({ live: true });
  });
  setInterval(() => {
    globalThis.gc();
    heaps.push(process.memoryUsage().heapUsed);
  }, 1000);
  for await (const { type, timestamp } of feed) {
    if (type === 'gap') gaps += 1;
    else lags[count++] = Date.now() - Date.parse(timestamp);
  }
}
