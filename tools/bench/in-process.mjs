// The repositories of job-api without HTTP in front of them, for parts that want more jobs a second than one
// thread can answer requests.
import { AccessModule } from '@spooled/access';
import { plans } from '@spooled/contracts';
import { EventLogModule } from '@spooled/event-log';
import { JobApiModule } from '@spooled/job-api';
import { BusModule } from '@spooled/nats';
import { RuntimeModule } from '@spooled/runtime';
import { TelemetryModule } from '@spooled/telemetry';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { v7 as uuidv7 } from 'uuid';
import { EnqueueRepository } from '../../apps/job-api/dist/jobs/store/enqueue.repository.js';
import { LeaseRepository } from '../../apps/job-api/dist/jobs/store/lease.repository.js';

export const PAYLOAD = JSON.stringify({
  to: 'someone@example.com',
  subject: 'Welcome',
  template: 'welcome-2',
});
const PLAN = plans.enterprise;

/** Runs `work` with the repositories on an installation, their loops included. */
export async function inProcess({ databaseUrl, natsUrl }, work) {
  Object.assign(process.env, {
    DATABASE_URL: databaseUrl,
    NATS_URL: natsUrl,
    LOG_LEVEL: 'error',
  });
  class BenchModule {}
  Module({
    imports: [
      TelemetryModule.forRoot({ service: 'bench' }),
      RuntimeModule,
      BusModule,
      AccessModule,
      EventLogModule,
      JobApiModule,
    ],
  })(BenchModule);
  const context = await NestFactory.createApplicationContext(BenchModule, { logger: ['error'] });
  try {
    return await work({
      producers: context.get(EnqueueRepository, { strict: false }),
      leases: context.get(LeaseRepository, { strict: false }),
    });
  } finally {
    await context.close();
  }
}

/** Clients that insert, claim and complete `batch` jobs at a time, each in an organization of its own. */
export async function wholeLives({ producers, leases }, { clients, batch, isOver, onCompleted }) {
  await Promise.all(
    Array.from({ length: clients }, async (_, index) => {
      const organizationId = uuidv7();
      const queueName = `bench-${index}`;
      while (!isOver()) {
        await producers.insert(
          Array.from({ length: batch }, () => newJob(organizationId, queueName)),
          PLAN,
        );
        const { jobs: claimed } = await leases.claim({
          organizationId,
          queueName,
          workerId: 'w',
          limit: batch,
          leaseSecs: 60,
        });
        await Promise.all(
          claimed.map(({ id, lease_id: leaseId }) =>
            leases.complete({
              organizationId,
              jobId: id,
              workerId: 'w',
              leaseId,
              queues: null,
              result: null,
            }),
          ),
        );
        onCompleted(claimed.length);
      }
    }),
  );
}

function newJob(organizationId, queueName) {
  return {
    organizationId,
    id: uuidv7(),
    queueName,
    payload: PAYLOAD,
    priority: 0,
    maxRetries: null,
    timeoutSeconds: null,
    tags: null,
    completionWebhook: null,
    completionWebhookSecret: null,
    idempotencyKey: null,
    scheduledAt: null,
    expiresAt: null,
    parentJobId: null,
    workflowId: null,
    scheduleId: null,
    dependencyMode: null,
    waitingOn: null,
  };
}
