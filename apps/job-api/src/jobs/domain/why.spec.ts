import { why, whyReason, type WhyReason } from '@spooled/contracts';
import { explain, type JobFacts, type QueueFacts, type WhyFacts } from './why.js';

const at = new Date('2026-03-01T12:00:00.000Z');
const later = (secs: number) => new Date(at.getTime() + secs * 1000);

const pending: JobFacts = {
  id: 'j-1',
  queueName: 'emails',
  status: 'pending',
  retryCount: 1,
  maxRetries: 3,
  dueAt: null,
  expiresAt: null,
  startedAt: null,
  completedAt: null,
  workerId: null,
  leaseExpiresAt: null,
  lastError: null,
  deadLetterReason: null,
  isQueuePaused: false,
  rateLimit: null,
  at,
};
const running: JobFacts = {
  ...pending,
  status: 'processing',
  startedAt: later(-5),
  workerId: 'w-1',
  leaseExpiresAt: later(25),
};
const ended: JobFacts = {
  ...pending,
  startedAt: later(-9),
  completedAt: later(-3),
  workerId: 'w-1',
};
const idle: QueueFacts = {
  ahead: 0,
  processing: 0,
  claimedLastSecond: 0,
  workers: { healthy: 2, lastSeenAt: later(-1) },
};

const job = (over: Partial<JobFacts>, base = pending): WhyFacts => ({
  job: { ...base, ...over },
  dependencies: null,
  queue: null,
});
const line = (over: Partial<QueueFacts>, of: Partial<JobFacts> = {}): WhyFacts => ({
  ...job(of),
  queue: { ...idle, ...over },
});

const cases: readonly (readonly [WhyReason, string, WhyFacts])[] = [
  [
    'waiting_for_dependencies',
    'It waits for 2 of 5 jobs to complete: a, b.',
    { ...job({}), dependencies: { mode: 'all', total: 5, missing: 2, ids: ['a', 'b'] } },
  ],
  [
    'waiting_for_dependencies',
    'It waits for any one of 1,200 jobs to complete: a and 1,199 more, and queue “emails” is paused.',
    {
      ...job({ isQueuePaused: true }),
      dependencies: { mode: 'any', total: 1300, missing: 1200, ids: ['a'] },
    },
  ],
  [
    'waiting_for_dependencies',
    'It waits for 1 of 1 job to complete.',
    { ...job({}), dependencies: { mode: 'all', total: 1, missing: 1, ids: [] } },
  ],
  [
    'scheduled',
    'It is scheduled for 2026-03-01T15:00:00Z, in 3 h.',
    job({ status: 'scheduled', dueAt: later(10_800) }),
  ],
  [
    'scheduled',
    'It is scheduled for 2026-03-05T12:00:00Z, in 4 days, and queue “emails” is paused.',
    job({ status: 'scheduled', dueAt: later(345_600), isQueuePaused: true }),
  ],
  [
    'backing_off',
    'It failed with “no route” and backs off until 2026-03-01T12:00:30Z, in 30 s, then comes attempt 2 of 4.',
    job({ dueAt: later(30), lastError: 'no\n route ' }),
  ],
  [
    'queue_paused',
    'Queue “emails” is paused: resume it, and the job can be claimed.',
    job({ isQueuePaused: true }),
  ],
  [
    'no_workers',
    'No worker has been seen on queue “emails” for 5 min: start one; 3 jobs are ahead of this one.',
    line({ ahead: 3, workers: { healthy: 0, lastSeenAt: later(-300) } }),
  ],
  [
    'no_workers',
    'No worker is registered for queue “emails”: start one; no job is ahead of this one.',
    line({ workers: { healthy: 0, lastSeenAt: null } }),
  ],
  [
    'rate_limited',
    'Queue “emails” gives out at most 5 jobs per second, and has just done so; 1 job is ahead of this one.',
    line({ ahead: 1, claimedLastSecond: 5 }, { rateLimit: 5 }),
  ],
  [
    'jobs_ahead',
    'More than 10,000 jobs are ahead of this one in queue “emails”, and 12 jobs are being worked on.',
    line({ ahead: 10_001, processing: 12 }),
  ],
  [
    'jobs_ahead',
    '1 job is ahead of this one in queue “emails”, and 0 jobs are being worked on; whether workers are there is not known now.',
    line({ ahead: 1, workers: null }),
  ],
  [
    // Workers need not register.
    'jobs_ahead',
    '10,000 jobs are ahead of this one in queue “emails”, and 1 job is being worked on.',
    line({ ahead: 10_000, processing: 1, workers: { healthy: 0, lastSeenAt: null } }),
  ],
  [
    'workers_busy',
    'It is the next of queue “emails”, as soon as a worker is free: 2 jobs are being worked on.',
    line({ processing: 2 }),
  ],
  [
    'ready',
    'It is the next of queue “emails” and goes to the first worker that asks.',
    line({}, { rateLimit: 5 }),
  ],
  [
    'ready',
    'It is the next of queue “emails” and goes to the first worker that asks.',
    line({}, { status: 'scheduled', dueAt: at }),
  ],
  [
    'running',
    'It is running since 2026-03-01T11:59:55Z on worker “w-1”, attempt 2 of 4, leased until 2026-03-01T12:00:25Z.',
    job({}, running),
  ],
  [
    'lease_expired',
    'Worker “w-1” let its lease run out at 2026-03-01T12:00:00Z; the job is taken back in a moment.',
    job({ leaseExpiresAt: at }, running),
  ],
  [
    'completed',
    'It completed at 2026-03-01T11:59:57Z on worker “w-1”.',
    job({ status: 'completed' }, ended),
  ],
  [
    'cancelled',
    'It was cancelled at 2026-03-01T11:59:57Z with “Job expired”.',
    job({ status: 'cancelled', lastError: 'Job expired' }, ended),
  ],
  [
    'cancelled',
    'It was cancelled at 2026-03-01T11:59:57Z.',
    job({ status: 'cancelled', startedAt: null, workerId: null }, ended),
  ],
  [
    'failed',
    'It failed at 2026-03-01T11:59:57Z with “boom”: mend the cause, then retry it.',
    job({ status: 'failed', lastError: 'boom' }, ended),
  ],
  [
    'dead_lettered',
    `It was given up at 2026-03-01T11:59:57Z after 2 attempts (retries spent) with “${'x'.repeat(199)}…”: mend the cause, then retry it from the dead letters.`,
    job(
      { status: 'deadletter', lastError: 'x'.repeat(2048), deadLetterReason: 'retries spent' },
      ended,
    ),
  ],
  [
    'dead_lettered',
    'It was given up at 2026-03-01T11:59:57Z after 1 attempt: mend the cause, then retry it from the dead letters.',
    job({ status: 'deadletter', retryCount: 0 }, ended),
  ],
];

describe('why a job stands where it stands', () => {
  it.each(cases)('%s: %s', (reason, message, facts) => {
    const answer = explain(facts);
    expect(answer).toMatchObject({ job_id: 'j-1', status: facts.job.status, reason, message });
    expect(why.parse(answer)).toEqual(answer);
  });

  it('has a sentence for every reason', () => {
    expect(new Set(cases.map(([reason]) => reason))).toEqual(new Set(whyReason.options));
  });

  it('gives the numbers behind the sentence', () => {
    expect(
      explain(line({ ahead: 10_001, claimedLastSecond: 1 }, { rateLimit: 9 })).details,
    ).toEqual({
      queue_name: 'emails',
      attempt: 2,
      max_attempts: 4,
      queue_paused: false,
      rate_limit: 9,
      claimed_last_second: 1,
      jobs_ahead: 10_000,
      jobs_ahead_capped: true,
      jobs_processing: 0,
      workers_known: true,
      healthy_workers: 2,
      worker_last_seen_at: '2026-03-01T11:59:59.000Z',
    });
    expect(explain(line({ workers: null })).details).toMatchObject({ workers_known: false });
    expect(explain(job({}, running)).details).toEqual({
      queue_name: 'emails',
      attempt: 2,
      max_attempts: 4,
      worker_id: 'w-1',
      started_at: '2026-03-01T11:59:55.000Z',
      lease_expires_at: '2026-03-01T12:00:25.000Z',
    });
  });
});
