import type { SpooledClient } from '@spooled/sdk';
import type { WebhookEventName } from '@spooled/contracts';
import type { Command } from 'commander';

import type { Cli } from '../cli.js';
import { CliError, exitCodes, usageError } from '../exit-code.js';
import { fields } from '../output/table.js';
import { webhookEventNames } from './listen.js';

const DEFAULT_QUEUE = 'spooled-trigger';
const HIGHEST_PRIORITY = 100;

export function addTrigger(program: Command, cli: Cli): void {
  program
    .command('trigger <what> [id]')
    .description('make an event really happen, with a throw-away job; or fire a schedule')
    .option('-q, --queue <name>', 'where the job goes', DEFAULT_QUEUE)
    .addHelpText(
      'after',
      `\n  spooled trigger <event>         of ${webhookEventNames.join(', ')}` +
        '\n  spooled trigger schedule <id>   makes a job of the schedule now' +
        '\n\nThe job has the highest priority, and no other job of the queue is touched. A failed one stays a dead letter.',
    )
    .action(async (what: string, id: string | undefined, { queue }: { readonly queue: string }) => {
      if (what === 'schedule') return triggerSchedule(cli, id);
      if (!Object.hasOwn(makers, what)) {
        throw usageError(`${what} cannot be triggered: ${webhookEventNames.join(', ')}, schedule.`);
      }
      if (id !== undefined) throw usageError('Only `trigger schedule` takes an id.');
      await cli.client.health.get({ signal: cli.signal });
      const facts = await makers[what as WebhookEventName](cli.client, queue);
      const document = { event: what, ...facts };
      await cli.output.result(document, (page) => fields(document, page));
    });
}

async function triggerSchedule(cli: Cli, id: string | undefined): Promise<void> {
  if (id === undefined) throw usageError('Say which: spooled trigger schedule <id>.');
  await cli.show(
    (client, options) => client.schedules.trigger(id, options),
    ({ jobId }, page) => fields({ event: 'schedule.triggered', job_id: jobId }, page),
  );
}

type Facts = Readonly<Record<string, string>>;
type Maker = (client: SpooledClient, queueName: string) => Promise<Facts>;

/** What it takes for each event to happen. */
const makers: Readonly<Record<WebhookEventName, Maker>> = {
  async 'job.created'(client, queueName) {
    const jobId = await createJob(client, queueName);
    await client.jobs.cancel(jobId);
    return facts(queueName, jobId);
  },

  async 'job.started'(client, queueName) {
    const { jobId, settle } = await claimJob(client, queueName);
    await settle.complete();
    return facts(queueName, jobId);
  },

  async 'job.completed'(client, queueName) {
    const { jobId, settle } = await claimJob(client, queueName);
    await settle.complete();
    return facts(queueName, jobId);
  },

  async 'job.failed'(client, queueName) {
    const { jobId, settle } = await claimJob(client, queueName);
    await settle.fail();
    return facts(queueName, jobId);
  },

  async 'job.cancelled'(client, queueName) {
    const jobId = await createJob(client, queueName);
    await client.jobs.cancel(jobId);
    return facts(queueName, jobId);
  },

  async 'queue.paused'(client, queueName) {
    return pauseForAMoment(client, queueName);
  },

  async 'queue.resumed'(client, queueName) {
    return pauseForAMoment(client, queueName);
  },

  async 'worker.registered'(client, queueName) {
    return registerForAMoment(client, queueName);
  },

  async 'worker.deregistered'(client, queueName) {
    return registerForAMoment(client, queueName);
  },

  async 'schedule.triggered'(client, queueName) {
    const { id } = await client.schedules.create({
      name: 'spooled trigger',
      // Once a year: it is gone long before.
      cronExpression: '0 0 1 1 *',
      queueName,
      payloadTemplate: { triggered_by: 'spooled trigger' },
    });
    try {
      const { jobId } = await client.schedules.trigger(id);
      await client.jobs.cancel(jobId);
      return { ...facts(queueName, jobId), schedule_id: id };
    } finally {
      await client.schedules.delete(id);
    }
  },
};

function facts(queueName: string, jobId: string): Facts {
  return { queue_name: queueName, job_id: jobId };
}

async function createJob(client: SpooledClient, queueName: string): Promise<string> {
  const { id } = await client.jobs.create({
    queueName,
    payload: { triggered_by: 'spooled trigger' },
    priority: HIGHEST_PRIORITY,
    maxRetries: 0,
  });
  return id;
}

/** Claims are not for a certain job, so it looks first whether its own is the next. */
async function claimJob(client: SpooledClient, queueName: string) {
  const jobId = await createJob(client, queueName);
  const first = await client.jobs.list({ queueName, status: 'pending', ...firstInLine });
  if (first.some(({ id, priority }) => id !== jobId && priority === HIGHEST_PRIORITY)) {
    await client.jobs.cancel(jobId);
    throw conflict(`Another job of ${queueName} comes first`);
  }
  const workerId = `spooled-trigger-${jobId}`;
  const { jobs } = await client.jobs.claim({ queueName, workerId });
  const [claimed] = jobs;
  if (claimed?.id === jobId) {
    return {
      jobId,
      settle: {
        complete: () => client.jobs.complete(jobId, { workerId, result: { triggered: true } }),
        fail: () => client.jobs.fail(jobId, { workerId, error: 'failed by spooled trigger' }),
      },
    };
  }
  // A worker was faster, so its next job came here: that one goes back.
  if (claimed !== undefined) {
    await client.jobs.fail(claimed.id, { workerId, error: 'given back by spooled trigger' });
  }
  // Of a queue that is paused it can be taken back; of a worker it cannot.
  await client.jobs.cancel(jobId).catch(() => undefined);
  throw conflict(`A worker of ${queueName} took the job, or the queue is paused`);
}

const firstInLine = { orderBy: 'priority', orderDir: 'desc', limit: 2 } as const;

function conflict(reason: string): CliError {
  return new CliError(`${reason}: try another --queue.`, exitCodes.conflict, 'CONFLICT');
}

async function pauseForAMoment(client: SpooledClient, queueName: string): Promise<Facts> {
  // Only a queue that is there can be paused.
  await client.queues.updateConfig(queueName, {});
  const { enabled } = await client.queues.get(queueName);
  if (!enabled) throw conflict(`${queueName} is paused already`);
  await client.queues.pause(queueName, 'spooled trigger');
  await client.queues.resume(queueName);
  return { queue_name: queueName };
}

async function registerForAMoment(client: SpooledClient, queueName: string): Promise<Facts> {
  const { id } = await client.workers.register({ queueName, hostname: 'spooled-trigger' });
  await client.workers.deregister(id);
  return { queue_name: queueName, worker_id: id };
}
