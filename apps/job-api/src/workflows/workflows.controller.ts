import { Injectable } from '@nestjs/common';
import { workflowsApi } from '@spooled/contracts';
import { Route, type RequestOf } from '@spooled/http';
import { continuedTraceparent } from '@spooled/telemetry';
import { WorkflowService } from './workflow.service.js';

/** Edge, HTTP: workflows. */
@Injectable()
export class WorkflowsController {
  constructor(private readonly workflows: WorkflowService) {}

  @Route(workflowsApi.create)
  create({ principal, body, headers }: RequestOf<typeof workflowsApi.create>) {
    const traceparent = continuedTraceparent(headers['traceparent']);
    return this.workflows.create(principal, body, traceparent);
  }

  @Route(workflowsApi.list)
  list({ principal, query }: RequestOf<typeof workflowsApi.list>) {
    return this.workflows.list(principal, query);
  }

  @Route(workflowsApi.get)
  get({ principal, params }: RequestOf<typeof workflowsApi.get>) {
    return this.workflows.read(principal, params.id);
  }

  @Route(workflowsApi.cancel)
  cancel({ principal, params }: RequestOf<typeof workflowsApi.cancel>) {
    return this.workflows.cancel(principal, params.id);
  }

  @Route(workflowsApi.retry)
  retry({ principal, params }: RequestOf<typeof workflowsApi.retry>) {
    return this.workflows.retry(principal, params.id);
  }

  @Route(workflowsApi.jobs)
  jobs({ principal, params }: RequestOf<typeof workflowsApi.jobs>) {
    return this.workflows.jobs(principal, params.id);
  }

  @Route(workflowsApi.jobStatuses)
  jobStatuses({ principal, params }: RequestOf<typeof workflowsApi.jobStatuses>) {
    return this.workflows.jobStatuses(principal, params.id);
  }

  @Route(workflowsApi.job)
  job({ principal, params }: RequestOf<typeof workflowsApi.job>) {
    return this.workflows.job(principal, params.id, params.jobId);
  }
}
