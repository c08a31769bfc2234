import { Injectable } from '@nestjs/common';
import { dependenciesApi, jobsApi } from '@spooled/contracts';
import { Route, withStatus, type RequestOf } from '@spooled/http';
import { continuedTraceparent } from '@spooled/telemetry';
import { BulkActionService } from './bulk-action.service.js';
import { DependencyService } from './dependency.service.js';
import { EnqueueService } from './enqueue.service.js';
import { HistoryService } from './history.service.js';
import { JobService } from './job.service.js';
import { answerPage } from './page.js';
import { WhyService } from './why.service.js';

/** Edge, HTTP: producers and operators. */
@Injectable()
export class JobsController {
  constructor(
    private readonly producer: EnqueueService,
    private readonly jobs: JobService,
    private readonly dependencies: DependencyService,
    private readonly bulkActions: BulkActionService,
    private readonly whys: WhyService,
    private readonly histories: HistoryService,
  ) {}

  @Route(jobsApi.create)
  async create({ principal, body, headers }: RequestOf<typeof jobsApi.create>) {
    const key = headers['idempotency-key'];
    const answer = await this.producer.enqueue(
      principal,
      body,
      key as string | undefined,
      continuedTraceparent(headers['traceparent']),
    );
    return withStatus(answer.created ? 201 : 200, answer);
  }

  @Route(jobsApi.bulk)
  bulk({ principal, body, headers }: RequestOf<typeof jobsApi.bulk>) {
    return this.producer.bulk(principal, body, continuedTraceparent(headers['traceparent']));
  }

  @Route(jobsApi.bulkCancel)
  bulkCancel({ principal, body }: RequestOf<typeof jobsApi.bulkCancel>) {
    return this.bulkActions.cancel(principal, body);
  }

  @Route(jobsApi.bulkRetry)
  bulkRetry({ principal, body }: RequestOf<typeof jobsApi.bulkRetry>) {
    return this.bulkActions.retry(principal, body);
  }

  @Route(jobsApi.bulkSetPriority)
  bulkSetPriority({ principal, body }: RequestOf<typeof jobsApi.bulkSetPriority>) {
    return this.bulkActions.setPriority(principal, body);
  }

  @Route(jobsApi.list)
  async list(request: RequestOf<typeof jobsApi.list>) {
    return answerPage(request, await this.jobs.list(request.principal, request.query));
  }

  @Route(jobsApi.stats)
  stats({ principal, query }: RequestOf<typeof jobsApi.stats>) {
    return this.jobs.stats(principal, query.queue_name);
  }

  @Route(jobsApi.status)
  status({ principal, query }: RequestOf<typeof jobsApi.status>) {
    return this.jobs.statuses(principal, query.ids);
  }

  @Route(jobsApi.get)
  get({ principal, params }: RequestOf<typeof jobsApi.get>) {
    return this.jobs.read(principal, params.id);
  }

  @Route(jobsApi.why)
  why({ principal, params }: RequestOf<typeof jobsApi.why>) {
    return this.whys.explain(principal, params.id);
  }

  @Route(jobsApi.history)
  async history(request: RequestOf<typeof jobsApi.history>) {
    const { principal, params, query } = request;
    return answerPage(request, await this.histories.read(principal, params.id, query));
  }

  @Route(jobsApi.cancel)
  cancel({ principal, params }: RequestOf<typeof jobsApi.cancel>) {
    return this.jobs.cancel(principal, params.id);
  }

  @Route(jobsApi.retry)
  retry({ principal, params }: RequestOf<typeof jobsApi.retry>) {
    return this.jobs.retry(principal, params.id);
  }

  @Route(jobsApi.setPriority)
  setPriority({ principal, params, body }: RequestOf<typeof jobsApi.setPriority>) {
    return this.jobs.setPriority(principal, params.id, body.priority);
  }

  @Route(jobsApi.logs)
  logs({ principal, params, query }: RequestOf<typeof jobsApi.logs>) {
    return this.jobs.logs(principal, params.id, query);
  }

  @Route(dependenciesApi.get)
  readDependencies({ principal, params }: RequestOf<typeof dependenciesApi.get>) {
    return this.dependencies.read(principal, params.id);
  }

  @Route(dependenciesApi.add)
  addDependencies({ principal, params, body }: RequestOf<typeof dependenciesApi.add>) {
    return this.dependencies.add(principal, params.id, body);
  }
}
