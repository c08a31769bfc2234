import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { Loop } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';

/** The room's background loops: started when the application is up, stopped before anything they need closes. */
@Injectable()
export class Loops implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #loops: Loop[] = [];

  constructor(
    @Inject(LOGGER) private readonly logger: Logger,
    private readonly metrics: Metrics,
  ) {}

  /** `step` answers the milliseconds until its next turn. */
  add(name: string, step: (signal: AbortSignal) => Promise<number>): Loop {
    const loop = new Loop({ name, step, logger: this.logger, metrics: this.metrics });
    this.#loops.push(loop);
    return loop;
  }

  onApplicationBootstrap(): void {
    for (const loop of this.#loops) loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
  }
}
