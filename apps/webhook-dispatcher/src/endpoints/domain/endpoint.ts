import { AppError, type UpdateWebhookRequest, type Webhook } from '@spooled/contracts';

/** An endpoint as it is stored. */
export interface EndpointRow {
  readonly organization_id: string;
  readonly id: string;
  readonly name: string;
  readonly url: string;
  readonly events: Webhook['events'];
  readonly enabled: boolean;
  /** Sealed, as the next. */
  readonly secret: Buffer | null;
  readonly previous_secret: Buffer | null;
  readonly previous_secret_until: Date | null;
  readonly since_seq: number;
  readonly failure_count: number;
  readonly last_triggered_at: Date | null;
  readonly last_status: Webhook['last_status'];
  readonly created_at: Date;
  readonly updated_at: Date;
}

/** What its owner decides of an endpoint. */
export type Definition = Pick<
  EndpointRow,
  | 'name'
  | 'url'
  | 'events'
  | 'enabled'
  | 'secret'
  | 'previous_secret'
  | 'previous_secret_until'
  | 'since_seq'
  | 'failure_count'
>;

/** For so long two secrets may be valid at once. */
const MAX_OVERLAP_MS = 7 * 24 * 3_600_000;

export function toWire(row: EndpointRow): Webhook {
  return {
    id: row.id,
    organization_id: row.organization_id,
    name: row.name,
    url: row.url,
    events: row.events,
    enabled: row.enabled,
    failure_count: row.failure_count,
    last_triggered_at: row.last_triggered_at?.toISOString() ?? null,
    last_status: row.last_status,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

/**
 * The endpoint after a request. `newSecret`: the sealed new secret, null for none, undefined to keep what there is.
 * @throws AppError `VALIDATION_ERROR`
 */
export function revised(
  row: EndpointRow,
  request: UpdateWebhookRequest,
  newSecret: Buffer | null | undefined,
  now: { readonly at: Date; readonly newestSeq: number },
): Definition {
  const enabled = request.enabled ?? row.enabled;
  const isEnabledAgain = enabled && !row.enabled;
  return {
    name: request.name ?? row.name,
    url: request.url ?? row.url,
    events: request.events ?? row.events,
    enabled,
    since_seq: isEnabledAgain ? now.newestSeq : row.since_seq,
    failure_count: isEnabledAgain ? 0 : row.failure_count,
    ...secretsAfter(row, request.previous_secret_until ?? null, newSecret, now.at),
  };
}

function secretsAfter(
  row: EndpointRow,
  until: string | null,
  newSecret: Buffer | null | undefined,
  now: Date,
): Pick<Definition, 'secret' | 'previous_secret' | 'previous_secret_until'> {
  const overlapMs = until === null ? 0 : Date.parse(until) - now.getTime();
  if (overlapMs > MAX_OVERLAP_MS) {
    throw AppError.invalid('previous_secret_until', 'must be at most 7 days ahead');
  }
  if (newSecret === undefined) {
    if (until === null) {
      const { secret, previous_secret, previous_secret_until } = row;
      return { secret, previous_secret, previous_secret_until };
    }
    throw AppError.invalid('previous_secret_until', 'needs a new secret');
  }
  const isKept = overlapMs > 0 && newSecret !== null && row.secret !== null;
  return {
    secret: newSecret,
    previous_secret: isKept ? row.secret : null,
    previous_secret_until: isKept ? new Date(until!) : null,
  };
}

/** Ids of others are as unknown as ids of nobody. */
export function unknownWebhook(): AppError {
  return new AppError('NOT_FOUND', 'There is no such webhook.');
}
