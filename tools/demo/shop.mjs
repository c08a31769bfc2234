/** What the demo pretends to be: a shop, whose queues, work and trouble look like those of one. */

const names = ['ada', 'grace', 'linus', 'margaret', 'edsger', 'barbara', 'ken', 'frances'];
const pick = (values) => values[Math.floor(Math.random() * values.length)];
const between = (low, high) => low + Math.random() * (high - low);
const chance = (probability) => Math.random() < probability;
const orderId = () => 100_000 + Math.floor(Math.random() * 900_000);

/**
 * Queues: their share of the jobs, how long one takes in milliseconds, how often it fails, and of what.
 * `steps` report progress; `maxRetries` is small where dead letters are wanted.
 */
export const queues = [
  {
    name: 'emails',
    share: 0.4,
    workers: 2,
    concurrency: 6,
    work: [80, 600],
    failures: 0.03,
    errors: ['SMTP 421: try again later', 'SMTP 550: mailbox unavailable'],
    maxRetries: 2,
    payload: () => ({
      to: `${pick(names)}@example.com`,
      template: pick(['welcome', 'receipt', 'digest']),
      order: orderId(),
    }),
  },
  {
    name: 'thumbnails',
    share: 0.25,
    workers: 2,
    concurrency: 4,
    work: [400, 2500],
    failures: 0.02,
    errors: ['the image is truncated', 'out of memory while decoding'],
    maxRetries: 1,
    steps: ['download', 'decode', 'resize', 'upload'],
    payload: () => ({ image: `products/${orderId()}.jpg`, widths: [320, 640, 1280] }),
  },
  {
    name: 'payments',
    share: 0.15,
    workers: 1,
    concurrency: 4,
    work: [200, 1400],
    failures: 0.08,
    errors: ['card declined', 'the bank did not answer within 5 s'],
    maxRetries: 1,
    // Identifiers of banks are larger than what a double can hold.
    payload: () => ({
      order: orderId(),
      amountCents: Math.round(between(500, 90_000)),
      currency: pick(['EUR', 'USD', 'GBP']),
    }),
    priority: () => pick([0, 5, 10]),
  },
  {
    name: 'search-index',
    share: 0.15,
    workers: 1,
    concurrency: 8,
    work: [20, 120],
    failures: 0.005,
    errors: ['the index is read-only'],
    maxRetries: 3,
    payload: () => ({ product: orderId(), reason: pick(['price', 'stock', 'text']) }),
  },
  {
    name: 'reports',
    share: 0.05,
    workers: 1,
    concurrency: 5,
    work: [3000, 12_000],
    failures: 0.1,
    errors: ['the query was cancelled after 10 s'],
    maxRetries: 1,
    steps: ['read orders', 'join customers', 'aggregate', 'render', 'store'],
    payload: () => ({
      report: pick(['daily-sales', 'returns', 'stock']),
      day: new Date().toISOString().slice(0, 10),
    }),
  },
];

export const schedules = [
  {
    name: 'Sales report',
    cronExpression: '*/2 * * * *',
    queueName: 'reports',
    payloadTemplate: { report: 'daily-sales' },
  },
  {
    name: 'Price feed',
    cronExpression: '*/20 * * * * *',
    queueName: 'search-index',
    payloadTemplate: { reason: 'price' },
  },
  {
    name: 'Newsletter',
    cronExpression: '0 9 * * mon',
    timezone: 'Europe/Berlin',
    queueName: 'emails',
    payloadTemplate: { template: 'digest' },
  },
];

/** Which queue the next job is for. */
export function nextQueue() {
  let rest = Math.random();
  return queues.find(({ share }) => (rest -= share) < 0) ?? queues[0];
}

/** An order: paid before anything leaves, and told to the customer at the end. */
export function orderWorkflow() {
  const order = orderId();
  const step = (key, queueName, ...dependsOn) => ({
    key,
    queueName,
    payload: { order, step: key },
    dependsOn,
  });
  return {
    name: `Order ${order}`,
    jobs: [
      step('validate', 'search-index'),
      step('charge', 'payments', 'validate'),
      step('invoice', 'reports', 'charge'),
      step('label', 'thumbnails', 'charge'),
      step('reserve-stock', 'search-index', 'charge'),
      step('confirm', 'emails', 'invoice', 'label', 'reserve-stock'),
    ],
  };
}

/** Does one job: takes its time, reports, logs, and fails as often as the queue does. */
export async function work({ work: [low, high], failures, errors, steps = [] }, context, pause) {
  const { payload, progress, log, signal } = context;
  const durationMs = between(low, high);
  log('info', 'started', payload);
  const parts = steps.length + 1;
  for (const [index, step] of steps.entries()) {
    await pause(durationMs / parts, signal);
    log('debug', step);
    await progress(Math.round(((index + 1) / parts) * 100), step);
  }
  await pause(durationMs / parts, signal);
  if (chance(failures)) {
    const error = pick(errors);
    log('error', error);
    throw new Error(error);
  }
  log('info', 'done');
  return { tookMs: Math.round(durationMs) };
}

export { chance };
