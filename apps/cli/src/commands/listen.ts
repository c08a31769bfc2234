import type { WebhookEventName } from '@spooled/contracts';
import type { EventSelector } from '@spooled/sdk';
import type { Command } from 'commander';

import { integer, listed } from '../arguments.js';
import type { Cli } from '../cli.js';
import { follow } from '../events/stream.js';
import { usageError } from '../exit-code.js';
import { deliveryOf, newSecret, type Delivery } from '../listen/delivery.js';
import { forward, type Attempt } from '../listen/forwarder.js';
import type { Page } from '../output/table.js';
import { duration } from '../output/time.js';
import { storedEventOf } from '../output/wire.js';

/** What webhooks tell, and the events of the stream that they are made of. */
const sources: Readonly<Record<WebhookEventName, readonly EventSelector[]>> = {
  'job.created': ['job.created'],
  'job.started': ['job.status'],
  'job.completed': ['job.completed'],
  // A lease that is lost for the last time is told by the change of status alone.
  'job.failed': ['job.failed', 'job.status'],
  'job.cancelled': ['job.status'],
  'queue.paused': ['queue.paused'],
  'queue.resumed': ['queue.resumed'],
  'worker.registered': ['worker.registered'],
  'worker.deregistered': ['worker.deregistered'],
  'schedule.triggered': ['schedule.triggered'],
};
export const webhookEventNames = Object.keys(sources) as WebhookEventName[];

interface ListenOptions {
  readonly forwardTo: string;
  readonly since?: string;
  readonly events?: readonly string[];
  readonly attempts: number;
  readonly printSecret?: boolean;
}

export function addListen(program: Command, cli: Cli): void {
  program
    .command('listen')
    .description('forward events to a local URL, as signed webhooks')
    .requiredOption('--forward-to <url>', 'such as http://localhost:3000/webhooks')
    .option('--since <cursor>', 'go on after this event')
    .option('--events <names>', `of ${webhookEventNames.join(', ')}; default: all`, listed)
    .option('--attempts <n>', 'of one delivery, 1, 2, 4 … seconds apart', integer, 5)
    .option('--print-secret', 'show the signing secret again')
    .addHelpText(
      'after',
      '\nBody, headers and signatures are those of outgoing webhooks (docs/webhooks.md). The signing secret' +
        '\nis made and shown the first time, and kept in the profile.',
    )
    .action((options: ListenOptions) => listen(cli, options));
}

async function listen(cli: Cli, options: ListenOptions): Promise<void> {
  const { signal, output } = cli;
  const url = receiverUrl(options.forwardTo);
  const names = namesOf(options.events);
  if (options.attempts < 1) throw usageError('There must be at least one attempt.');
  const secret = await signingSecret(cli, options.printSecret === true);
  const events = follow(cli, `spooled listen --forward-to ${url}`, {
    events: [...new Set([...names].flatMap((name) => sources[name]))],
    ...(options.since !== undefined && { since: options.since }),
  });
  for await (const event of events) {
    if (event.type === 'gap') {
      await output.item({ type: 'gap', message: event.data.message }, ({ paint }) =>
        paint('warning', `gap  ${event.data.message}`),
      );
    }
    const stored = storedEventOf(event);
    const delivery = stored && event.id ? deliveryOf(stored, event.id, url) : null;
    if (delivery === null || !names.has(delivery.event)) continue;
    const target = { url, secret, maxAttempts: options.attempts, signal };
    for await (const attempt of forward(delivery, target)) {
      const document = documentOf(delivery, attempt, event.id ?? null);
      await output.item(document, (page) => lineOf(delivery, attempt, page));
    }
  }
}

function receiverUrl(given: string): string {
  const url = URL.parse(given);
  if (url !== null && /^https?:$/.test(url.protocol)) return url.href;
  throw usageError(`${given} is no URL, such as http://localhost:3000/webhooks.`);
}

function namesOf(given: readonly string[] | undefined): ReadonlySet<WebhookEventName> {
  const unknown = given?.find((name) => !Object.hasOwn(sources, name));
  if (unknown !== undefined) {
    throw usageError(`${unknown} is no event of webhooks: ${webhookEventNames.join(', ')}.`);
  }
  return new Set((given as WebhookEventName[] | undefined) ?? webhookEventNames);
}

/** Of the profile, so that a receiver has to learn it once. */
async function signingSecret(
  { profiles, account, output }: Cli,
  isWanted: boolean,
): Promise<string> {
  const kept = profiles.get(account.profile);
  const secret = kept?.signingSecret ?? newSecret();
  const isNew = kept?.signingSecret === undefined;
  if (isNew) {
    const profile = { url: kept?.url ?? account.url, signingSecret: secret };
    profiles.save(account.profile, profile, { isCurrent: false });
  }
  if (isNew || isWanted) {
    await output.item(
      { type: 'signing_secret', signing_secret: secret },
      ({ paint }) => `${paint('title', 'signing secret')}  ${secret}  (kept; shown once)`,
    );
  }
  return secret;
}

function documentOf({ id, event }: Delivery, attempt: Attempt, cursor: string | null): object {
  return {
    type: 'delivery',
    id,
    event,
    attempt: attempt.attempt,
    success: attempt.isSuccess,
    status_code: attempt.statusCode,
    error: attempt.error,
    duration_ms: attempt.durationMs,
    next_in_ms: attempt.nextInMs ?? null,
    cursor,
  };
}

function lineOf({ id, event }: Delivery, attempt: Attempt, { paint }: Page): string {
  const outcome = attempt.statusCode ?? attempt.error;
  const next = attempt.isSuccess
    ? ''
    : attempt.nextInMs === undefined
      ? '  given up'
      : `  again in ${duration(attempt.nextInMs)}`;
  const tone = attempt.isSuccess ? 'good' : 'bad';
  return `${paint(tone, `[${outcome}]`)}  ${event}  ${id}  attempt ${attempt.attempt}, ${attempt.durationMs} ms${next}`;
}
