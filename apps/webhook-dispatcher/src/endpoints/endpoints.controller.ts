import { Injectable } from '@nestjs/common';
import {
  webhooksApi,
  type Redelivery,
  type Webhook,
  type WebhookDelivery,
  type WebhookTest,
} from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { DeliveryService } from '../deliveries/delivery.service.js';
import { EndpointService } from './endpoint.service.js';

@Injectable()
export class EndpointsController {
  constructor(
    private readonly endpoints: EndpointService,
    private readonly deliveries: DeliveryService,
  ) {}

  @Route(webhooksApi.list)
  list({ principal }: RequestOf<typeof webhooksApi.list>): Promise<Webhook[]> {
    return this.endpoints.list(principal);
  }

  @Route(webhooksApi.create)
  create({ principal, body }: RequestOf<typeof webhooksApi.create>): Promise<Webhook> {
    return this.endpoints.create(principal, body);
  }

  @Route(webhooksApi.get)
  get({ principal, params }: RequestOf<typeof webhooksApi.get>): Promise<Webhook> {
    return this.endpoints.get(principal, params.id);
  }

  @Route(webhooksApi.update)
  update({ principal, params, body }: RequestOf<typeof webhooksApi.update>): Promise<Webhook> {
    return this.endpoints.update(principal, params.id, body);
  }

  @Route(webhooksApi.delete)
  delete({ principal, params }: RequestOf<typeof webhooksApi.delete>): Promise<void> {
    return this.endpoints.delete(principal, params.id);
  }

  @Route(webhooksApi.test)
  test({ principal, params }: RequestOf<typeof webhooksApi.test>): Promise<WebhookTest> {
    return this.endpoints.test(principal, params.id);
  }

  @Route(webhooksApi.deliveries)
  deliveriesOf({
    principal,
    params,
  }: RequestOf<typeof webhooksApi.deliveries>): Promise<WebhookDelivery[]> {
    return this.deliveries.list(principal, params.id);
  }

  @Route(webhooksApi.redeliver)
  redeliver({ principal, params }: RequestOf<typeof webhooksApi.redeliver>): Promise<Redelivery> {
    return this.deliveries.redeliver(principal, params.id, params.delivery_id);
  }
}
