import { Inject, Injectable } from '@nestjs/common';
import { jobsRpc } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { LOGGER, type Logger } from '@spooled/telemetry';
import { WorkerRepository, type ReleaseRow } from './store/worker.repository.js';

/** Calls under way at once. */
const PARALLEL = 8;

/**
 * Has the jobs of workers that ended given back by their owner. The mark on the worker is written with its end and
 * taken away only after the answer, so neither a crash nor a missing bus loses a release; giving back twice is harmless.
 */
@Injectable()
export class ReleaseService {
  constructor(
    private readonly workers: WorkerRepository,
    private readonly bus: Bus,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Never throws: what fails now is repeated by the loop. */
  async tryNow(mark: ReleaseRow): Promise<void> {
    try {
      await this.#release(mark);
    } catch (error) {
      this.logger.warn(
        { err: error, workerId: mark.id },
        'the jobs of a worker are given back later',
      );
    }
  }

  /** Works off a part of the marks and answers how many there were. @throws the first failure, after trying them all. */
  async releasePending(): Promise<number> {
    const marks = await this.workers.pendingReleases();
    const outcomes: PromiseSettledResult<void>[] = [];
    for (let start = 0; start < marks.length; start += PARALLEL) {
      const some = marks.slice(start, start + PARALLEL);
      outcomes.push(...(await Promise.allSettled(some.map((mark) => this.#release(mark)))));
      // Without the bus none of the others could succeed either.
      if (!this.bus.isConnected) break;
    }
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    return marks.length;
  }

  async #release(mark: ReleaseRow): Promise<void> {
    await this.bus.request(jobsRpc.releaseWorker, {
      organizationId: mark.organization_id,
      workerId: mark.id,
      cause: mark.release_cause,
      leasedBefore: mark.release_since,
    });
    await this.workers.released(mark);
  }
}
