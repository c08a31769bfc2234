import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { eventSubject } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { ORGANIZATION_HEADER } from './publisher.js';

/**
 * Which organizations have new events, as far as the bus tells: who reads the log by position hears when it is worth a
 * look, and looks now and then anyway. What the messages say is not read.
 */
@Injectable()
export class EventNews implements BeforeApplicationShutdown {
  readonly #shards = new Map<string, () => void>();
  #followed: ReadonlySet<string> = new Set();
  #hear: (organizationId: string) => void = () => undefined;

  constructor(private readonly bus: Bus) {}

  beforeApplicationShutdown(): void {
    this.follow(new Set());
  }

  onNews(hear: (organizationId: string) => void): void {
    this.#hear = hear;
  }

  /** From now on these organizations, and no others. */
  follow(organizationIds: ReadonlySet<string>): void {
    this.#followed = organizationIds;
    const wanted = new Set([...organizationIds].map(eventSubject));
    for (const [subject, unsubscribe] of this.#shards) {
      if (wanted.has(subject)) continue;
      unsubscribe();
      this.#shards.delete(subject);
    }
    for (const subject of wanted) {
      if (!this.#shards.has(subject)) this.#shards.set(subject, this.#subscribe(subject));
    }
  }

  #subscribe(subject: string): () => void {
    return this.bus.subscribe(subject, (message) => {
      const organizationId = message.headers?.get(ORGANIZATION_HEADER) ?? '';
      if (this.#followed.has(organizationId)) this.#hear(organizationId);
    });
  }
}
