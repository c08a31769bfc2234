import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { AppError, jobsRpc } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { EventFanOut } from '../deliveries/event-fan-out.js';
import { FollowerRepository } from '../deliveries/store/follower.repository.js';

const PAGE = 1000;
const EVERY_MS = 1000;

/**
 * Learns from job-api whose jobs have completion webhooks, and has their logs followed from before the first such job.
 * However late that is, nothing is missed that the log still holds.
 */
@Injectable()
export class CompletionFollower implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loop: Loop;

  constructor(
    private readonly followers: FollowerRepository,
    private readonly fanOut: EventFanOut,
    private readonly bus: Bus,
    @Inject(LOGGER) logger: Logger,
    metrics: Metrics,
  ) {
    this.#loop = new Loop({
      name: 'webhooks.completion-follower',
      step: (signal) => this.step(signal),
      logger,
      metrics,
    });
    bus.onReconnect(() => this.#loop.wake());
  }

  onApplicationBootstrap(): void {
    this.#loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
  }

  async step(signal: AbortSignal): Promise<number> {
    let after: string | null = null;
    while (this.bus.isConnected && !signal.aborted) {
      const organizations = await this.#ask(after);
      for (const { organizationId, newestSeq } of organizations) {
        if (this.fanOut.follows(organizationId, 'completions')) continue;
        await this.followers.followCompletions(organizationId, newestSeq);
        this.fanOut.follow(organizationId, 'completions');
      }
      if (organizations.length < PAGE) break;
      after = organizations.at(-1)!.organizationId;
    }
    return EVERY_MS;
  }

  async #ask(after: string | null): Promise<{ organizationId: string; newestSeq: number }[]> {
    try {
      const question = { after, limit: PAGE };
      return (await this.bus.request(jobsRpc.completionWebhookOrganizations, question))
        .organizations;
    } catch (error) {
      // job-api is away: no job ends meanwhile either.
      if (error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE') return [];
      throw error;
    }
  }
}
