import { queuesResource } from '../../live/queues.js';
import { useResource } from '../../live/use-resource.js';
import { useSession } from '../../session/session-context.js';
import { ActionButton } from '../../ui/action.js';
import { count } from '../../ui/numbers.js';
import { tell } from '../../ui/toasts.js';

/** The server retries and purges so many in one call. */
const MAX_AT_ONCE = 10_000;

export function RetrySelected({ ids }: { readonly ids: readonly string[] }) {
  const { client } = useSession();
  const many = jobsText(ids.length);
  return (
    <ActionButton
      label={ids.length === 0 ? 'Retry selected' : `Retry ${ids.length} selected`}
      confirm={`Return ${many} to pending, each with a fresh retry budget?`}
      refusal={ids.length === 0 ? 'Nothing is selected.' : undefined}
      run={async () => {
        const { retriedCount } = await client.jobs.dlq.retry({ jobIds: [...ids] });
        tell({ kind: 'good', text: `${jobsText(retriedCount)} will be tried again.` });
      }}
    />
  );
}

interface Matching {
  /** Empty = every queue that the key may use. */
  readonly queueName: string;
  /** The server retries and purges by queue, not by tag. */
  readonly isTagged: boolean;
}

export function RetryMatching({ queueName, isTagged }: Matching) {
  const { client } = useSession();
  const total = useTotal(queueName);
  return (
    <ActionButton
      label={`Retry all ${count(total)}`}
      kind="primary"
      confirm={`Return ${jobsText(total)} of ${placeText(queueName)} to pending, each with a fresh retry budget?`}
      refusal={refusalOf(total, isTagged)}
      run={async () => {
        const { changed } = await client.jobs.bulkRetry({
          filter: { queueName: queueName || undefined, status: 'deadletter' },
          // The oldest first; what died after the question was asked stays.
          limit: Math.min(total, MAX_AT_ONCE),
        });
        tell({ kind: 'good', text: `${jobsText(changed)} will be tried again.` });
      }}
    />
  );
}

export function PurgeMatching({
  queueName,
  isTagged,
  onPurged,
}: Matching & { readonly onPurged: () => void }) {
  const { client } = useSession();
  const total = useTotal(queueName);
  return (
    <ActionButton
      label={`Purge all ${count(total)}`}
      kind="danger"
      confirm={`Delete ${jobsText(total)} of ${placeText(queueName)} for good, with payloads and logs? The audit trail keeps that you did.`}
      refusal={refusalOf(total, isTagged)}
      run={async () => {
        const { purgedCount } = await client.jobs.dlq.purge({
          queueName: queueName || undefined,
          // The oldest first; what died after the question was asked stays.
          limit: Math.min(total, MAX_AT_ONCE),
          confirm: true,
        });
        tell({ kind: 'good', text: `${jobsText(purgedCount)} purged; see the audit trail.` });
        // No event tells of what is deleted.
        onPurged();
      }}
    />
  );
}

/** How many dead letters there are, as events keep it. */
function useTotal(queueName: string): number {
  const { state } = useResource(queuesResource);
  if (state.status !== 'ready') return 0;
  return state.value
    .filter((queue) => queueName === '' || queue.queueName === queueName)
    .reduce((sum, { counts }) => sum + (counts.deadletter ?? 0), 0);
}

function refusalOf(total: number, isTagged: boolean): string | undefined {
  if (isTagged) return 'By tag they can be retried only one by one: select them.';
  return total === 0 ? 'There are none.' : undefined;
}

function jobsText(many: number): string {
  return many === 1 ? '1 job' : `${count(many)} jobs`;
}

function placeText(queueName: string): string {
  return queueName === '' ? 'every queue' : queueName;
}
