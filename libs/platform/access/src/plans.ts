import { Injectable, type OnModuleInit } from '@nestjs/common';
import { authChanged, authRpc, type PlanLimits } from '@spooled/contracts';
import { Bus } from '@spooled/nats';
import { Answers } from './answers.js';

/** Organizations of one question; `auth.plans` takes no more. */
const MAX_BATCH = 1000;

interface Batch {
  readonly organizationIds: string[];
  readonly plans: Promise<ReadonlyMap<string, PlanLimits>>;
}

/**
 * The limits that hold for organizations, for work that no caller with a credential stands behind: asked of the auth
 * service over the bus, remembered for five seconds, and for ten minutes while it cannot be asked.
 */
@Injectable()
export class Plans implements OnModuleInit {
  readonly #answers = new Answers<PlanLimits>();
  #batch: Batch | undefined;

  constructor(private readonly bus: Bus) {}

  onModuleInit(): void {
    this.bus.onHint(authChanged, ({ apiKeyId }, organizationId) => {
      // A key of it changed, not the organization.
      if (apiKeyId !== null) return;
      this.#answers.forget((_plan, name) => name === organizationId);
    });
    // Changes announced while the bus was away were not heard.
    this.bus.onReconnect(() => this.#answers.forget(() => true));
  }

  /**
   * The limits of an organization; `null` when there is no such organization, or no more.
   * @throws AppError `SERVICE_UNAVAILABLE` when auth cannot be asked and the organization is not known.
   */
  of(organizationId: string): Promise<PlanLimits | null> {
    return this.#answers.get(organizationId, () => this.#ask(organizationId));
  }

  /**
   * The limits of each organization; those that do not exist are left out.
   * @throws AppError `SERVICE_UNAVAILABLE` when auth cannot be asked and one of them is not known.
   */
  async many(organizationIds: Iterable<string>): Promise<ReadonlyMap<string, PlanLimits>> {
    const found = await Promise.all(
      [...new Set(organizationIds)].map(async (id) => [id, await this.of(id)] as const),
    );
    return new Map(found.filter((entry): entry is [string, PlanLimits] => entry[1] !== null));
  }

  /** Whoever asks in the same turn of the event loop shares one question. */
  async #ask(organizationId: string): Promise<PlanLimits | null> {
    // What is no id must not spoil the question of the others.
    if (!authRpc.plans.request.safeParse({ organizationIds: [organizationId] }).success)
      return null;
    if (this.#batch === undefined || this.#batch.organizationIds.length === MAX_BATCH) {
      this.#batch = this.#nextBatch();
    }
    const { organizationIds, plans } = this.#batch;
    organizationIds.push(organizationId);
    return (await plans).get(organizationId) ?? null;
  }

  #nextBatch(): Batch {
    const organizationIds: string[] = [];
    const ask = async (): Promise<ReadonlyMap<string, PlanLimits>> => {
      if (this.#batch?.organizationIds === organizationIds) this.#batch = undefined;
      const { organizations } = await this.bus.request(authRpc.plans, { organizationIds });
      return new Map(organizations.map(({ organizationId, plan }) => [organizationId, plan]));
    };
    return { organizationIds, plans: Promise.resolve().then(ask) };
  }
}
