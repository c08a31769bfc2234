import { Injectable } from '@nestjs/common';
import { jobsRpc, webhookEventOf, type WebhookEvent } from '@spooled/contracts';
import { EventLogReader, type LogEntry, type LogPage } from '@spooled/event-log';
import { Bus } from '@spooled/nats';
import { Database } from '@spooled/postgres';
import { v5 as uuidv5 } from 'uuid';
import { SecretBox } from '../endpoints/secret-box.js';
import { deliveryId } from './delivery-id.js';
import { envelope } from './domain/envelope.js';
import { NOTHING, type Reading } from './endpoint-events.js';
import { MissedEvents } from './missed-events.js';
import { DeliveryRepository, type NewDelivery } from './store/delivery.repository.js';
import { FollowerRepository } from './store/follower.repository.js';

/** Jobs of one question. */
const MAX_JOBS = 500;

interface Ending {
  readonly seq: number;
  readonly jobId: string;
  readonly told: WebhookEvent;
  readonly traceparent: string | null;
}

interface Hook {
  readonly url: string;
  readonly secret: string | null;
}

/**
 * Makes deliveries to the completion webhooks of jobs that ended. Only job-api knows which job has one, so it is asked
 * for all that ended in a page; the deliveries are written together with the position, unless another instance has
 * moved that meanwhile.
 */
@Injectable()
export class CompletionEvents {
  constructor(
    private readonly database: Database,
    private readonly reader: EventLogReader,
    private readonly followers: FollowerRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly box: SecretBox,
    private readonly bus: Bus,
    private readonly missed: MissedEvents,
  ) {}

  /** One page of one log. @throws AppError `SERVICE_UNAVAILABLE` while job-api cannot be asked: nothing is read then */
  async read(organizationId: string): Promise<Reading> {
    const found = await this.#page(organizationId);
    const last = found?.page.events.at(-1);
    if (found === null || last === undefined) return NOTHING;
    const { position, page } = found;
    const endings = page.events.flatMap(endingOf);
    const hooks = await this.#hooks(organizationId, endings);
    const deliveries = endings.flatMap((ending) => {
      const hook = hooks.get(ending.jobId);
      return hook === undefined ? [] : [this.#delivery(organizationId, ending, hook)];
    });
    return this.database.transaction([organizationId], async (tx) => {
      const isOurs = await this.followers.advance(
        tx,
        organizationId,
        'completions',
        position,
        last.seq,
      );
      if (!isOurs) return NOTHING;
      this.missed.tell(organizationId, page.missed);
      await this.deliveries.insert(tx, organizationId, deliveries);
      return { deliveries: deliveries.length, isFull: page.isFull };
    });
  }

  #page(organizationId: string): Promise<{ position: number; page: LogPage } | null> {
    return this.database.transaction([organizationId], async (tx) => {
      const position = await this.followers.position(tx, organizationId);
      if (position === null) return null;
      return { position, page: await this.reader.page(tx, organizationId, position) };
    });
  }

  async #hooks(
    organizationId: string,
    endings: readonly Ending[],
  ): Promise<ReadonlyMap<string, Hook>> {
    const hooks = new Map<string, Hook>();
    const ids = [...new Set(endings.map(({ jobId }) => jobId))];
    for (let start = 0; start < ids.length; start += MAX_JOBS) {
      const jobIds = ids.slice(start, start + MAX_JOBS);
      const { webhooks } = await this.bus.request(jobsRpc.completionWebhooks, {
        organizationId,
        jobIds,
      });
      for (const { jobId, ...hook } of webhooks) hooks.set(jobId, hook);
    }
    return hooks;
  }

  #delivery(
    organizationId: string,
    { seq, jobId, told, traceparent }: Ending,
    { url, secret }: Hook,
  ): NewDelivery {
    const id = deliveryId(jobId, seq, new Date(told.at));
    return {
      id,
      lane: uuidv5(new URL(url).origin, organizationId),
      endpointId: null,
      event: told.name,
      body: envelope(id, told),
      url,
      secret: secret === null || secret === '' ? null : this.box.seal(id, secret),
      traceparent,
    };
  }
}

function endingOf({ seq, event }: LogEntry): Ending[] {
  const told = webhookEventOf(event);
  if (told?.name !== 'job.completed' && told?.name !== 'job.failed') return [];
  const jobId = String(told.data['job_id']);
  return [{ seq, jobId, told, traceparent: event.traceparent ?? null }];
}
