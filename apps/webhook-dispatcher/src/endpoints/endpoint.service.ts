import { Injectable, type OnModuleInit } from '@nestjs/common';
import {
  AppError,
  isUuid,
  quotaRefusal,
  webhooksRpc,
  type CreateWebhookRequest,
  type Principal,
  type UpdateWebhookRequest,
  type Webhook,
  type WebhookTest,
} from '@spooled/contracts';
import { EventLogReader } from '@spooled/event-log';
import { Bus } from '@spooled/nats';
import { Database, type Transaction } from '@spooled/postgres';
import { v7 as uuidv7 } from 'uuid';
import { EventFanOut } from '../deliveries/event-fan-out.js';
import { Sender } from '../deliveries/sender.js';
import { revised, toWire, unknownWebhook, type EndpointRow } from './domain/endpoint.js';
import { SecretBox } from './secret-box.js';
import { EndpointRepository } from './store/endpoint.repository.js';

/** What the owner of endpoints does with them. */
@Injectable()
export class EndpointService implements OnModuleInit {
  constructor(
    private readonly database: Database,
    private readonly endpoints: EndpointRepository,
    private readonly reader: EventLogReader,
    private readonly fanOut: EventFanOut,
    private readonly sender: Sender,
    private readonly box: SecretBox,
    private readonly bus: Bus,
  ) {}

  onModuleInit(): void {
    this.bus.respond(webhooksRpc.usage, async ({ organizationId }) => ({
      webhooks: await this.endpoints.countEnabled(organizationId),
    }));
    this.bus.respond(webhooksRpc.forgetOrganization, async ({ organizationId }) => ({
      isDone: await this.endpoints.forget(organizationId),
    }));
  }

  async list({ organizationId }: Principal): Promise<Webhook[]> {
    return (await this.endpoints.list(organizationId)).map(toWire);
  }

  /** @throws AppError `NOT_FOUND` */
  async get({ organizationId }: Principal, id: string): Promise<Webhook> {
    return toWire(await this.#find(organizationId, id));
  }

  /** @throws AppError `VALIDATION_ERROR`, `QUOTA_EXCEEDED` or `FEATURE_DISABLED` when the plan has no room for it */
  async create(caller: Principal, request: CreateWebhookRequest): Promise<Webhook> {
    await this.#requireUrl(request.url);
    const { organizationId } = caller;
    const id = uuidv7();
    const enabled = request.enabled ?? true;
    const row = await this.database.transaction([organizationId], async (tx) => {
      const sinceSeq = enabled ? await this.#enable(tx, caller) : 0;
      return this.endpoints.insert(tx, organizationId, id, {
        name: request.name,
        url: request.url,
        events: request.events,
        enabled,
        secret: this.#seal(id, request.secret ?? null),
        previous_secret: null,
        previous_secret_until: null,
        since_seq: sinceSeq,
        failure_count: 0,
      });
    });
    if (enabled) this.fanOut.follow(organizationId, 'endpoints');
    return toWire(row);
  }

  /** @throws AppError as `create`, and `NOT_FOUND` */
  async update(caller: Principal, id: string, request: UpdateWebhookRequest): Promise<Webhook> {
    if (!isUuid(id)) throw unknownWebhook();
    if (request.url != null) await this.#requireUrl(request.url);
    const { organizationId } = caller;
    const secret = request.secret === undefined ? undefined : this.#seal(id, request.secret);
    const row = await this.database.transaction([organizationId], async (tx) => {
      // Before the row, as everywhere, so that nobody who has the one waits for the other.
      const count =
        request.enabled === true ? await this.endpoints.lockEnabled(tx, organizationId) : 0;
      const before = await this.endpoints.lock(tx, organizationId, id);
      if (before === null) throw unknownWebhook();
      const isEnabledAgain = request.enabled === true && !before.enabled;
      const newestSeq = isEnabledAgain ? await this.#begin(tx, caller, count) : 0;
      const definition = revised(before, request, secret, { at: before.now, newestSeq });
      return this.endpoints.revise(tx, before, definition);
    });
    if (row.enabled) this.fanOut.follow(organizationId, 'endpoints');
    return toWire(row);
  }

  /** @throws AppError `NOT_FOUND` */
  async delete({ organizationId }: Principal, id: string): Promise<void> {
    if (!isUuid(id) || !(await this.endpoints.remove(organizationId, id))) throw unknownWebhook();
  }

  /** Sends a test at once, whether it is enabled or not. @throws AppError `NOT_FOUND` */
  async test({ organizationId }: Principal, id: string): Promise<WebhookTest> {
    const { url, secret } = await this.#find(organizationId, id);
    const testId = uuidv7();
    const body = JSON.stringify({
      id: testId,
      event: 'webhook.test',
      webhook_id: id,
      organization_id: organizationId,
      timestamp: new Date().toISOString(),
      test: true,
      message: 'This is a test of your webhook.',
    });
    const startedAt = performance.now();
    const outcome = await this.sender.attempt(
      { url, owner: id, secrets: secret === null ? [] : [secret] },
      { id: testId, event: 'webhook.test', body, attempt: 1 },
    );
    return {
      success: outcome.isSuccess,
      status_code: outcome.statusCode,
      response_time_ms: Math.round(performance.now() - startedAt),
      error: outcome.error,
    };
  }

  async #find(organizationId: string, id: string): Promise<EndpointRow> {
    const row = isUuid(id) ? await this.endpoints.find(organizationId, id) : null;
    if (row === null) throw unknownWebhook();
    return row;
  }

  async #requireUrl(url: string): Promise<void> {
    const problem = await this.sender.problemOf(url);
    if (problem !== null) throw AppError.invalid('url', `Invalid webhook URL: ${problem}`);
  }

  async #enable(tx: Transaction, caller: Principal): Promise<number> {
    return this.#begin(tx, caller, await this.endpoints.lockEnabled(tx, caller.organizationId));
  }

  /** Charges one more enabled endpoint and has the log followed; answers where it stands. */
  async #begin(
    tx: Transaction,
    { organizationId, plan }: Principal,
    enabledBefore: number,
  ): Promise<number> {
    const refusal = quotaRefusal(plan, 'webhooks', enabledBefore);
    if (refusal !== null) throw refusal;
    const newestSeq = await this.reader.newest(tx, organizationId);
    await this.endpoints.follow(tx, organizationId, newestSeq);
    return newestSeq;
  }

  /** No secret and an empty one are the same. */
  #seal(id: string, secret: string | null): Buffer | null {
    return secret === null || secret === '' ? null : this.box.seal(id, secret);
  }
}
