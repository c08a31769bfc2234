import { jobsRpc, schedulesRpc, webhooksRpc, workersRpc, type RpcSpec } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { createLogger } from '@spooled/telemetry';
import type { z } from 'zod';
import type { TestService } from './setup.js';

/** The other services, as one connection to the bus that answers what a test tells it to. */
export class Peers {
  readonly asked: { readonly subject: string; readonly question: unknown }[] = [];

  private constructor(readonly bus: Bus) {}

  static async join(service: TestService): Promise<Peers> {
    const bus = new Bus(
      { NATS_URL: service.nats.url, SERVICE_NAME: 'peers', BUS_MIN_WAIT_MS: 30_000 },
      createLogger('test', 'silent'),
    );
    await bus.onModuleInit();
    return new Peers(bus);
  }

  async answer<I extends z.ZodType, O extends z.ZodType>(
    spec: RpcSpec<I, O>,
    answer: (question: z.output<I>) => z.input<O>,
  ): Promise<void> {
    this.bus.respond(spec, async (question) => {
      this.asked.push({ subject: spec.subject, question });
      return answer(question);
    });
    await this.bus.connection.flush();
  }

  /** Counts of what is active, the same for every organization until they are changed. */
  async countActive(counts: { jobs: number; workers: number; schedules: number }): Promise<void> {
    await this.answer(jobsRpc.usage, () => ({
      jobsToday: 0,
      activeJobs: counts.jobs,
      queues: 0,
      workflows: 0,
    }));
    await this.answer(workersRpc.summary, () => ({
      total: counts.workers,
      healthy: counts.workers,
      counted: counts.workers,
    }));
    await this.answer(schedulesRpc.usage, () => ({ schedules: counts.schedules }));
  }

  /** Every service forgets what it is told to; that of jobs as it is told to. */
  async forget(as: { jobs: () => { isDone: boolean } }): Promise<void> {
    await this.answer(jobsRpc.forgetOrganization, () => as.jobs());
    for (const { forgetOrganization } of [workersRpc, schedulesRpc, webhooksRpc]) {
      await this.answer(forgetOrganization, () => ({ isDone: true }));
    }
  }

  /** The organizations a command was given for. */
  organizationsOf(spec: RpcSpec): unknown[] {
    return this.asked
      .filter(({ subject }) => subject === spec.subject)
      .map(({ question }) => (question as { organizationId: unknown }).organizationId);
  }

  async leave(): Promise<void> {
    await this.bus.onApplicationShutdown();
  }
}
