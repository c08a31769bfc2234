import { Injectable } from '@nestjs/common';
import { queuesApi } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { QueueService } from './queue.service.js';

/** Edge, HTTP: queues. */
@Injectable()
export class QueuesController {
  constructor(private readonly queues: QueueService) {}

  @Route(queuesApi.list)
  list({ principal }: RequestOf<typeof queuesApi.list>) {
    return this.queues.list(principal);
  }

  @Route(queuesApi.get)
  get({ principal, params }: RequestOf<typeof queuesApi.get>) {
    return this.queues.read(principal, params.name);
  }

  @Route(queuesApi.configure)
  configure({ principal, params, body }: RequestOf<typeof queuesApi.configure>) {
    return this.queues.configure(principal, params.name, body);
  }

  @Route(queuesApi.stats)
  stats({ principal, params }: RequestOf<typeof queuesApi.stats>) {
    return this.queues.stats(principal, params.name);
  }

  @Route(queuesApi.pause)
  pause({ principal, params, body }: RequestOf<typeof queuesApi.pause>) {
    return this.queues.pause(principal, params.name, body.reason ?? null);
  }

  @Route(queuesApi.resume)
  resume({ principal, params }: RequestOf<typeof queuesApi.resume>) {
    return this.queues.resume(principal, params.name);
  }

  @Route(queuesApi.delete)
  delete({ principal, params, query }: RequestOf<typeof queuesApi.delete>) {
    return this.queues.delete(principal, params.name, query.delete_jobs);
  }
}
