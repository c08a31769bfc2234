import { Injectable } from '@nestjs/common';
import {
  workersApi,
  type RegisteredWorker,
  type Worker,
  type WorkerSummary,
} from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { HeartbeatService } from './heartbeat.service.js';
import { RegistrationService } from './registration.service.js';
import { RosterService } from './roster.service.js';

@Injectable()
export class WorkersController {
  constructor(
    private readonly registration: RegistrationService,
    private readonly heartbeats: HeartbeatService,
    private readonly roster: RosterService,
  ) {}

  @Route(workersApi.list)
  list({ principal }: RequestOf<typeof workersApi.list>): Promise<WorkerSummary[]> {
    return this.roster.list(principal);
  }

  @Route(workersApi.register)
  register({ principal, body }: RequestOf<typeof workersApi.register>): Promise<RegisteredWorker> {
    return this.registration.register(principal, body);
  }

  @Route(workersApi.get)
  get({ principal, params }: RequestOf<typeof workersApi.get>): Promise<Worker> {
    return this.roster.get(principal, params.id);
  }

  @Route(workersApi.heartbeat)
  async heartbeat({
    principal,
    params,
    body,
  }: RequestOf<typeof workersApi.heartbeat>): Promise<void> {
    await this.heartbeats.report(principal, params.id, body);
  }

  @Route(workersApi.deregister)
  deregister({ principal, params }: RequestOf<typeof workersApi.deregister>): Promise<void> {
    return this.registration.deregister(principal, params.id);
  }
}
