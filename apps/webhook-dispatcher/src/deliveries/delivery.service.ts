import { Injectable } from '@nestjs/common';
import { keyActor, recordAction } from '@spooled/audit';
import {
  AppError,
  isUuid,
  type Principal,
  type Redelivery,
  type WebhookDelivery,
} from '@spooled/contracts';
import { Database } from '@spooled/postgres';
import { unknownWebhook } from '../endpoints/domain/endpoint.js';
import { EndpointRepository } from '../endpoints/store/endpoint.repository.js';
import { DeliveryAttempts } from './delivery-attempts.js';
import { DeliveryRepository, type DeliveryRow } from './store/delivery.repository.js';

/** Deliveries that are listed. */
const MAX_LISTED = 100;

/** What the owner of an endpoint does with its deliveries. */
@Injectable()
export class DeliveryService {
  constructor(
    private readonly database: Database,
    private readonly endpoints: EndpointRepository,
    private readonly deliveries: DeliveryRepository,
    private readonly attempts: DeliveryAttempts,
  ) {}

  /** Newest first. @throws AppError `NOT_FOUND` */
  async list({ organizationId }: Principal, endpointId: string): Promise<WebhookDelivery[]> {
    const isKnown =
      isUuid(endpointId) && (await this.endpoints.find(organizationId, endpointId)) !== null;
    if (!isKnown) throw unknownWebhook();
    const rows = await this.deliveries.history(organizationId, endpointId, MAX_LISTED);
    return rows.map(toWire);
  }

  /**
   * Has a delivery that ended attempted anew; one that is still pending just goes on.
   * @throws AppError `NOT_FOUND`, `CONFLICT` when the endpoint is disabled
   */
  async redeliver(caller: Principal, endpointId: string, id: string): Promise<Redelivery> {
    if (!isUuid(endpointId)) throw unknownWebhook();
    if (!isUuid(id)) throw unknownDelivery();
    const { organizationId } = caller;
    const key = [organizationId, endpointId, id] as const;
    const isAgain = await this.database.transaction([organizationId], async (tx) => {
      const endpoint = await this.endpoints.lock(tx, organizationId, endpointId);
      if (endpoint === null) throw unknownWebhook();
      if (!(await this.deliveries.exists(tx, key))) throw unknownDelivery();
      if (!endpoint.enabled) throw new AppError('CONFLICT', 'The webhook is disabled.');
      const isAgain = await this.deliveries.redeliver(tx, key);
      if (isAgain) {
        recordAction(tx, {
          organizationId,
          actor: keyActor(caller),
          action: 'webhook.redelivered',
          target: endpointId,
          details: { delivery_id: id },
        });
      }
      return isAgain;
    });
    this.attempts.wake();
    return {
      success: true,
      message: isAgain ? 'The delivery is attempted again.' : 'The delivery is pending already.',
      delivery_id: id,
      status: 'pending',
    };
  }
}

function toWire(row: DeliveryRow): WebhookDelivery {
  return {
    ...row,
    created_at: row.created_at.toISOString(),
    delivered_at: row.delivered_at?.toISOString() ?? null,
  };
}

function unknownDelivery(): AppError {
  return new AppError('NOT_FOUND', 'There is no such delivery.');
}
