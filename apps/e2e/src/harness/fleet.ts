/** Producers and workers under load, as robust as published clients are: they note what they were told and go on. */
import { setTimeout as delay } from 'node:timers/promises';

import type { ClaimedJob } from '@spooled/contracts';
import { onCleanUp } from '@spooled/testing';

import type { Answer, Client } from './client.js';
import type { Ledger } from './ledger.js';

export interface FleetOptions {
  readonly client: Client;
  readonly ledger: Ledger;
  readonly queue: string;
  readonly producers?: number;
  readonly workers?: number;
  /** Default 5. */
  readonly leaseSecs?: number;
  /** Of the job with this number: how many of its attempts fail. Default none. */
  readonly failures?: (number: number) => number;
}

/** What a worker of this fleet reads in its job. */
interface Task {
  readonly failures: number;
}

const betweenJobsMs = 20;
/** Between the jobs of a producer that is told to be calm. */
const calmMs = 200;
const retryMs = 100;
const maxRetries = 2;

export class Fleet {
  /** Answers by `<call> <status>`; `<call> lost` when none came. */
  readonly answers = new Map<string, number>();
  /** Why no answer came, when none did. */
  readonly losses: string[] = [];
  /** Server errors other than "not now", which says when. */
  readonly faults: string[] = [];
  /** Whether producers make few jobs, so that others have the processor. */
  isCalm = false;
  private isProducing = true;
  private isWorking = true;
  private produced = 0;
  private readonly producing: Promise<void>[];
  private readonly working: Promise<void>[];

  constructor(private readonly options: FleetOptions) {
    // A failed test must not leave it running.
    onCleanUp(() => {
      this.isProducing = false;
      this.isWorking = false;
    });
    const { producers = 2, workers = 8 } = options;
    this.producing = times(producers, () => this.produce());
    this.working = times(workers, (number) => this.work(`worker-${number}`));
  }

  answered(call: 'enqueue' | 'claim' | 'complete' | 'fail', status: number | 'lost'): number {
    return this.answers.get(`${call} ${status}`) ?? 0;
  }

  async stopProducing(): Promise<void> {
    this.isProducing = false;
    await Promise.all(this.producing);
  }

  /** When all jobs have come to their end. */
  async stop(): Promise<void> {
    await this.stopProducing();
    this.isWorking = false;
    await Promise.all(this.working);
  }

  private async produce(): Promise<void> {
    const { client, ledger, queue, failures = () => 0 } = this.options;
    while (this.isProducing) {
      const task: Task = { failures: failures(this.produced++) };
      const body = { queue_name: queue, payload: task, max_retries: maxRetries };
      const answer = await this.ask('enqueue', () => client.post<{ id: string }>('/jobs', body));
      if (answer?.status === 201) ledger.acknowledge(answer.body.id);
      const pauseMs = this.isCalm ? calmMs : betweenJobsMs;
      await delay(answer?.status === 201 ? pauseMs : retryMs);
    }
  }

  private async work(workerId: string): Promise<void> {
    const { client, ledger, queue, leaseSecs = 5 } = this.options;
    while (this.isWorking) {
      const answer = await this.ask('claim', () =>
        client.post<{ jobs: ClaimedJob[] }>('/jobs/claim', {
          queue_name: queue,
          worker_id: workerId,
          limit: 5,
          lease_duration_secs: leaseSecs,
          wait_secs: 1,
        }),
      );
      if (answer?.status !== 200) {
        await delay(retryMs);
        continue;
      }
      for (const job of answer.body.jobs) ledger.hold(job);
      for (const job of answer.body.jobs) await this.settle(workerId, job);
    }
  }

  /** Insists until the server says that the job is settled, by this call or already. */
  private async settle(workerId: string, job: ClaimedJob): Promise<void> {
    const { failures } = job.payload as Task;
    const verb = job.retry_count < failures ? 'fail' : 'complete';
    const { client, ledger } = this.options;
    let mayHaveBeenAccepted = false;
    while (this.isWorking) {
      const answer = await this.ask(verb, () =>
        client.post<{ code?: string }>(`/jobs/${job.id}/${verb}`, {
          worker_id: workerId,
          lease_id: job.lease_id,
          ...(verb === 'fail' ? { error: 'as planned' } : { result: { by: workerId } }),
        }),
      );
      // A completion whose answer was lost counts when the server calls the job finished by this worker.
      const isDone =
        answer?.status === 200 ||
        (mayHaveBeenAccepted && answer?.status === 409 && answer.body.code === 'CONFLICT');
      if (isDone && verb === 'complete') ledger.accept(job.id, job.lease_id);
      if (isDone || answer?.status === 404 || answer?.status === 409) return;
      mayHaveBeenAccepted ||= answer === undefined || answer.status >= 500;
      await delay(retryMs);
    }
  }

  /** `undefined` when no answer came. */
  private async ask<T>(
    call: string,
    request: () => Promise<Answer<T>>,
  ): Promise<Answer<T> | undefined> {
    const answer = await request().catch((error: Error) => {
      this.losses.push(`${call}: ${error.message} ${String(error.cause)}`);
      return undefined;
    });
    const name = `${call} ${answer?.status ?? 'lost'}`;
    this.answers.set(name, (this.answers.get(name) ?? 0) + 1);
    const isNotNow = answer?.status === 503 && answer.headers.has('retry-after');
    if (answer && answer.status >= 500 && !isNotNow) {
      this.faults.push(`${name} ${JSON.stringify(answer.body)}`);
    }
    return answer;
  }
}

function times(count: number, start: (number: number) => Promise<void>): Promise<void>[] {
  return Array.from({ length: count }, (_, number) => start(number + 1));
}
