import { AppError, jobsRpc, type EnqueueCommand, type JobStatus } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { createLogger } from '@spooled/telemetry';

/** job-api as the scheduler sees it, on the real bus: jobs by their ids, and the queues it was told of. */
export class FakeJobApi {
  /** Jobs by id, each with when it was first taken. */
  readonly jobs = new Map<string, EnqueueCommand & { readonly at: number }>();
  /** Ids in the order in which they were asked for, repetitions included. */
  readonly asked: string[] = [];
  /** Jobs of each question. */
  readonly questions: number[] = [];
  /** Queues of organizations as told last. */
  readonly queues = new Map<string, readonly string[]>();
  /** How often it was told of queues. */
  told = 0;
  readonly statuses = new Map<string, JobStatus>();
  /** Refuses a job. */
  refuse: (job: EnqueueCommand) => AppError | null = () => null;
  /** Runs before anything is answered; what it throws is the answer, what it never resolves is silence. */
  onAsked: (jobs: readonly EnqueueCommand[]) => void | Promise<void> = () => undefined;
  maxQueues = Infinity;
  #bus: Bus | undefined;

  constructor(private readonly natsUrl: string) {}

  async start(): Promise<void> {
    const bus = new Bus(
      { NATS_URL: this.natsUrl, SERVICE_NAME: 'job-api' },
      createLogger('test', 'silent'),
    );
    await bus.onModuleInit();
    this.#bus = bus;
    bus.respond(jobsRpc.enqueue, async ({ jobs }) => {
      this.questions.push(jobs.length);
      this.asked.push(...jobs.map(({ id }) => id));
      await this.onAsked(jobs);
      return { outcomes: this.take(jobs) };
    });
    bus.respond(jobsRpc.statuses, async ({ jobIds }) => ({
      jobs: jobIds.flatMap((jobId) => {
        const status = this.statuses.get(jobId) ?? (this.jobs.has(jobId) ? 'pending' : undefined);
        return status === undefined ? [] : [{ jobId, status }];
      }),
    }));
    bus.respond(jobsRpc.setScheduledQueues, async ({ organizationId, queueNames }) => {
      this.told += 1;
      if (queueNames.length > this.maxQueues) {
        const extra = { error: 'limit_exceeded', resource: 'queues', limit: this.maxQueues };
        throw new AppError('QUOTA_EXCEEDED', 'queues limit reached', { extra });
      }
      this.queues.set(organizationId, [...queueNames].sort());
      return {};
    });
    await bus.connection.flush();
  }

  async stop(): Promise<void> {
    await this.#bus?.onApplicationShutdown();
    this.#bus = undefined;
  }

  jobsOf(scheduleId: string): (EnqueueCommand & { readonly at: number })[] {
    return [...this.jobs.values()].filter((job) => job.scheduleId === scheduleId);
  }

  /** Enqueues, as for a question whose answer may get lost. */
  take(jobs: readonly EnqueueCommand[]) {
    return jobs.map((job) => this.#enqueue(job));
  }

  #enqueue(job: EnqueueCommand) {
    const refusal = this.refuse(job);
    if (refusal !== null) {
      const { code, message, extra } = refusal;
      return { failure: { code, message, extra } };
    }
    const created = !this.jobs.has(job.id);
    if (created) this.jobs.set(job.id, { ...job, at: Date.now() });
    return { jobId: job.id, queueName: job.queueName, created };
  }
}
