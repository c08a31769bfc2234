// `npm run bench [-- <part> …] [--long]`: what the hot paths reach on this machine, as ratios to baselines of the same run.
import os from 'node:os';
import { benchClaimAtScale } from './claim-at-scale.mjs';
import { benchCredentials } from './credentials.mjs';
import { benchDashboard } from './dashboard.mjs';
import { benchEnqueue } from './enqueue.mjs';
import { startEnvironment } from './environment.mjs';
import { benchEvents } from './events.mjs';
import { benchFanout } from './fanout.mjs';
import { benchFootprint } from './footprint.mjs';
import { benchGrpc } from './grpc.mjs';
import { benchHeldSnapshot } from './held-snapshot.mjs';
import { benchIdleStreams } from './idle-streams.mjs';
import { benchNoBloat } from './no-bloat.mjs';
import { benchNoisyNeighbour } from './noisy-neighbour.mjs';
import { benchReadsAtScale } from './reads-at-scale.mjs';
import { benchReplay } from './replay.mjs';
import { benchReplicas } from './replicas.mjs';
import { benchRepository } from './repository.mjs';
import { benchRollout } from './rollout.mjs';
import { benchSchedules } from './schedules.mjs';
import { benchSdkEvents } from './sdk-events.mjs';
import { benchStorm } from './storm.mjs';
import { benchViewers } from './viewers.mjs';
import { benchWebhooks } from './webhooks.mjs';
import { benchWholeLife } from './whole-life.mjs';

const parts = {
  enqueue: benchEnqueue,
  repository: benchRepository,
  life: benchWholeLife,
  replicas: benchReplicas,
  rollout: benchRollout,
  credentials: benchCredentials,
  events: benchEvents,
  fanout: benchFanout,
  replay: benchReplay,
  footprint: benchFootprint,
  'idle-streams': benchIdleStreams,
  grpc: benchGrpc,
  'claim-at-scale': benchClaimAtScale,
  'reads-at-scale': benchReadsAtScale,
  'noisy-neighbour': benchNoisyNeighbour,
  'held-snapshot': benchHeldSnapshot,
  'no-bloat': benchNoBloat,
  schedules: benchSchedules,
  'sdk-events': benchSdkEvents,
  storm: benchStorm,
  webhooks: benchWebhooks,
  dashboard: benchDashboard,
  viewers: benchViewers,
};
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));

console.log(`${os.cpus()[0].model}, ${os.cpus().length} cores, Node ${process.version}`);
const environment = await startEnvironment();
try {
  for (const [name, run] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    console.log(`\n## ${name} (load average ${os.loadavg()[0].toFixed(1)})`);
    await run(environment, report);
  }
} finally {
  await environment.stop();
}

/** One line: rate, latencies, and each ratio with its bar. */
function report(title, { rate, p50, p99, note }, ratios = []) {
  const figures = [
    rate === undefined ? undefined : `${Math.round(rate).toLocaleString('en')}/s`,
    p50 === undefined ? undefined : `p50 ${p50.toFixed(2)} ms`,
    p99 === undefined ? undefined : `p99 ${p99.toFixed(2)} ms`,
    note,
  ].filter((figure) => figure !== undefined);
  console.log(`${title}: ${figures.join(', ')}`);
  for (const [name, ratio, bar] of ratios) {
    console.log(
      `  ${ratio >= bar ? 'ok  ' : 'LOW '} ${ratio.toFixed(2)} × ${name} (bar ${Number(bar.toFixed(2))})`,
    );
  }
}
