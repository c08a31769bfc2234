// The whole product in one process, as `npm start` runs it, with switches that only measuring needs.
// BENCH_EVENTS=off leaves out the event log; GROUP_COMMIT_MAX_ROWS=1 leaves out grouping. BENCH_ROOM=<service> is that
// service alone, as its own process.
import { EventFeeds, EventLog } from '@spooled/event-log';
import { rssAfterGc } from './memory.mjs';

if (process.env.BENCH_EVENTS === 'off') EventLog.prototype.append = () => undefined;

const { bootstrap } = await import('@spooled/runtime');
const room = process.env.BENCH_ROOM;
const module =
  room === undefined
    ? (await import('@spooled/standalone')).StandaloneModule
    : (await import(`../../apps/${room}/dist/app.module.js`)).AppModule;
const { GrpcServer } = await import('@spooled/grpc');
const { HttpServer } = await import('@spooled/http');

// Whoever measures may be killed: nothing is left behind.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));

await bootstrap(module, {
  onStarted: async (context) => {
    // Not every service speaks gRPC, or follows events.
    const optional = (provider) => {
      try {
        return context.get(provider);
      } catch {
        return undefined;
      }
    };
    const ports = { http: context.get(HttpServer).port, grpc: optional(GrpcServer)?.port };
    process.send?.({ ports });
    const feeds = optional(EventFeeds);
    process.on('message', (message) => {
      if (message === 'usage') {
        process.send?.({ usage: { ...process.cpuUsage(), rss: process.memoryUsage.rss() } });
      } else if (message === 'memory') process.send?.({ memory: rssAfterGc() });
      else void deliver(feeds, message.feed);
    });
  },
});

/** Puts events into the gateway's feed as if the bus had brought them. */
async function deliver(feeds, { organizationId, events }) {
  const feed = await feeds.acquire(organizationId);
  feed.accept({
    organization_id: organizationId,
    epoch: feed.epoch,
    first_seq: feed.position + 1,
    events,
  });
  feeds.release(feed);
}
