import { Injectable } from '@nestjs/common';
import { jobsApi } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { LeaseService } from './lease.service.js';

/** Edge, HTTP: workers. */
@Injectable()
export class LeasesController {
  constructor(private readonly worker: LeaseService) {}

  @Route(jobsApi.claim)
  claim({ principal, body, signal }: RequestOf<typeof jobsApi.claim>) {
    return this.worker.claim(principal, body, signal);
  }

  @Route(jobsApi.complete)
  complete({ principal, params, body }: RequestOf<typeof jobsApi.complete>) {
    return this.worker.complete(principal, params.id, body);
  }

  @Route(jobsApi.fail)
  fail({ principal, params, body }: RequestOf<typeof jobsApi.fail>) {
    return this.worker.fail(principal, params.id, body);
  }

  @Route(jobsApi.heartbeat)
  heartbeat({ principal, params, body }: RequestOf<typeof jobsApi.heartbeat>) {
    return this.worker.renew(principal, params.id, body);
  }

  @Route(jobsApi.progress)
  progress({ principal, params, body }: RequestOf<typeof jobsApi.progress>) {
    return this.worker.reportProgress(principal, params.id, body);
  }

  @Route(jobsApi.appendLogs)
  appendLogs({ principal, params, body }: RequestOf<typeof jobsApi.appendLogs>) {
    return this.worker.appendLog(principal, params.id, body);
  }
}
