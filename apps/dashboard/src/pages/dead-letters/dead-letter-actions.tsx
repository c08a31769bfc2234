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
  /** Empty = any. How many have one is not known. */
  readonly tag: string;
}

export function RetryMatching(matching: Matching) {
  const { client } = useSession();
  const { queueName, tag } = matching;
  const total = useTotal(matching);
  return (
    <ActionButton
      label={total === undefined ? 'Retry all with the tag' : `Retry all ${count(total)}`}
      kind="primary"
      confirm={`Return ${matchingText(matching, total)} to pending, each with a fresh retry budget?`}
      refusal={total === 0 ? 'There are none.' : undefined}
      run={async () => {
        const { changed } = await client.jobs.bulkRetry({
          filter: {
            queueName: queueName || undefined,
            tag: tag || undefined,
            status: 'deadletter',
          },
          // The oldest first; what died after the question was asked stays.
          limit: Math.min(total ?? MAX_AT_ONCE, MAX_AT_ONCE),
        });
        tell({ kind: 'good', text: `${jobsText(changed)} will be tried again.` });
      }}
    />
  );
}

export function PurgeMatching({
  onPurged,
  ...matching
}: Matching & { readonly onPurged: () => void }) {
  const { client } = useSession();
  const { queueName, tag } = matching;
  const total = useTotal(matching);
  return (
    <ActionButton
      label={total === undefined ? 'Purge all with the tag' : `Purge all ${count(total)}`}
      kind="danger"
      confirm={`Delete ${matchingText(matching, total)} for good, with payloads and logs? The audit trail keeps that you did.`}
      refusal={total === 0 ? 'There are none.' : undefined}
      run={async () => {
        const { purgedCount } = await client.jobs.dlq.purge({
          queueName: queueName || undefined,
          tag: tag || undefined,
          // The oldest first; what died after the question was asked stays.
          limit: Math.min(total ?? MAX_AT_ONCE, MAX_AT_ONCE),
          confirm: true,
        });
        tell({ kind: 'good', text: `${jobsText(purgedCount)} purged; see the audit trail.` });
        // No event tells of what is deleted.
        onPurged();
      }}
    />
  );
}

/** How many dead letters there are, as events keep it; undefined of those with a tag. */
function useTotal({ queueName, tag }: Matching): number | undefined {
  const { state } = useResource(queuesResource);
  if (tag !== '') return undefined;
  if (state.status !== 'ready') return 0;
  return state.value
    .filter((queue) => queueName === '' || queue.queueName === queueName)
    .reduce((sum, { counts }) => sum + (counts.deadletter ?? 0), 0);
}

function jobsText(many: number): string {
  return many === 1 ? '1 job' : `${count(many)} jobs`;
}

function matchingText({ queueName, tag }: Matching, total: number | undefined): string {
  const jobs = total === undefined ? `all jobs with the tag ${tag}` : jobsText(total);
  return `${jobs} of ${queueName === '' ? 'every queue' : queueName}`;
}
