import { createOrganization, startServer } from './environment.mjs';
import { httpLoad, jsonRequest, percentiles } from './http-load.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS ?? 8);
const WORKERS = 16;

/** Enqueue, claim 10, complete each: sixteen workers that each make the work they then do. */
export async function benchWholeLife(environment, report) {
  const server = await startServer(environment);
  try {
    const { key } = await createOrganization(server, `life-${Date.now()}`);
    const { rate, waits } = await liveLives({ ports: [server.port], key });
    environment.lifeRate = rate;
    const { repositoryRate } = environment;
    report('whole life over HTTP, 16 workers (jobs/s)', { rate, note: 'enqueue → claimed below' }, [
      ...(repositoryRate === undefined ? [] : [['repositories', rate / repositoryRate, 0.4]]),
    ]);
    report('enqueue answered → claimed', percentiles(waits));
  } finally {
    await server.stop();
  }
}

/** Jobs completed per second, milliseconds from answer to claim, and jobs that were given to two workers. */
export async function liveLives({ ports, key, seconds = SECONDS, workers = WORKERS }) {
  const enqueue = jsonRequest({
    path: '/api/v1/jobs',
    key,
    body: { queue_name: 'life', payload: { to: 'someone@example.com' } },
  });
  const enqueuedAt = new Map();
  const claimed = new Set();
  const waits = [];
  const plans = Array.from({ length: workers }, () => ({ todo: [], kind: 'enqueue', left: 10 }));
  let completed = 0;
  let doubles = 0;
  const next = (index) => {
    const plan = plans[index];
    if (plan.kind === 'enqueue') return enqueue;
    if (plan.kind === 'claim') {
      return jsonRequest({
        path: '/api/v1/jobs/claim',
        key,
        body: { queue_name: 'life', worker_id: `w${index}`, limit: 10 },
      });
    }
    const { id, lease_id } = plan.todo.pop();
    return jsonRequest({
      path: `/api/v1/jobs/${id}/complete`,
      key,
      body: { worker_id: `w${index}`, lease_id },
    });
  };
  const onAnswer = (body, index) => {
    const plan = plans[index];
    const now = performance.now();
    if (plan.kind === 'enqueue') {
      enqueuedAt.set(body.slice(7, 43), now);
      plan.left -= 1;
      if (plan.left === 0) plan.kind = 'claim';
    } else if (plan.kind === 'claim') {
      plan.todo = JSON.parse(body).jobs;
      for (const { id } of plan.todo) {
        if (claimed.has(id)) doubles += 1;
        claimed.add(id);
        const at = enqueuedAt.get(id);
        if (at !== undefined) waits.push(now - at);
        enqueuedAt.delete(id);
      }
      plan.kind = plan.todo.length > 0 ? 'complete' : 'enqueue';
      plan.left = 10;
    } else {
      completed += 1;
      if (plan.todo.length === 0) {
        plan.kind = 'enqueue';
        plan.left = 10;
      }
    }
  };
  const startedAt = performance.now();
  await httpLoad({ ports, connections: workers, seconds, next, onAnswer });
  return { rate: completed / ((performance.now() - startedAt) / 1000), waits, doubles };
}
