import type { Answer } from '@spooled/sdk';

import { useSession } from '../session/session-context.js';
import { ActionButton } from '../ui/action.js';
import { CheckField, FormAction, InputField } from '../ui/form.js';
import { queuesResource, type QueueRow } from '../live/queues.js';
import type { Resources } from '../live/resources.js';

/** Why this key may not change the queue, or undefined. */
function useQueueRefusal(queueName: string): string | undefined {
  return useSession().canUseQueue(queueName)
    ? undefined
    : 'The credential does not allow this queue.';
}

export function PauseOrResume({
  queue: { queueName, isPaused },
}: {
  readonly queue: Pick<QueueRow, 'queueName' | 'isPaused'>;
}) {
  const { client } = useSession();
  const refusal = useQueueRefusal(queueName);
  if (isPaused)
    return (
      <ActionButton
        label="Resume"
        done={`${queueName} goes on.`}
        refusal={refusal}
        run={() => client.queues.resume(queueName)}
      />
    );
  return (
    <FormAction
      label="Pause"
      submit="Pause"
      done={`${queueName} is paused.`}
      refusal={refusal}
      run={(values) => client.queues.pause(queueName, values.optional('reason'))}
    >
      <p>
        No job of <strong>{queueName}</strong> is started until it is resumed. Running ones finish,
        and new ones are taken.
      </p>
      <InputField name="reason" label="Reason" maxLength={500} hint="Others see it." />
    </FormAction>
  );
}

export function ConfigureQueue({ queue }: { readonly queue: Omit<QueueRow, 'counts'> }) {
  const { client, resources } = useSession();
  const { queueName } = queue;
  return (
    <FormAction
      label="Limits"
      submit="Save"
      done={`The limits of ${queueName} are saved.`}
      refusal={useQueueRefusal(queueName)}
      run={async (values) => {
        const answer = await client.queues.updateConfig(queueName, {
          maxRetries: values.number('max_retries'),
          defaultTimeout: values.number('default_timeout'),
          rateLimit: values.number('rate_limit') ?? null,
        });
        changeQueue(resources, answer);
      }}
    >
      <InputField
        name="max_retries"
        label="Retries of a job"
        type="number"
        min={0}
        max={100}
        defaultValue={queue.maxRetries ?? ''}
        hint="Of jobs that say nothing themselves, from the next one on."
      />
      <InputField
        name="default_timeout"
        label="Time limit of a job, seconds"
        type="number"
        min={1}
        defaultValue={queue.defaultTimeout ?? ''}
      />
      <InputField
        name="rate_limit"
        label="Jobs started per second, at most"
        type="number"
        min={1}
        max={100000}
        defaultValue={queue.rateLimit ?? ''}
        hint="Empty: as fast as workers ask."
      />
    </FormAction>
  );
}

export function DeleteQueue({
  queueName,
  onDeleted,
}: {
  readonly queueName: string;
  readonly onDeleted?: () => void;
}) {
  const { client, resources } = useSession();
  return (
    <FormAction
      label="Delete"
      submit={`Delete ${queueName}`}
      kind="danger"
      done={`${queueName} is deleted.`}
      refusal={useQueueRefusal(queueName)}
      run={async (values) => {
        await client.queues.delete(queueName, { deleteJobs: values.isChecked('delete_jobs') });
        // No event tells of it.
        resources.change<readonly QueueRow[]>(queuesResource.key, (rows) =>
          rows.filter((row) => row.queueName !== queueName),
        );
        onDeleted?.();
      }}
    >
      <p>
        The limits of <strong>{queueName}</strong> are forgotten. A queue with jobs, workers or
        schedules that are active is not deleted.
      </p>
      <CheckField name="delete_jobs" label="Delete its jobs in every state too, for good" />
    </FormAction>
  );
}

/** No event tells of limits: what the server answered is what is known. */
export function changeQueue(resources: Resources, answer: Answer<'queues', 'configure'>): void {
  const { queueName, enabled, pausedAt, pauseReason, maxRetries, defaultTimeout, rateLimit } =
    answer;
  const pause = { isPaused: !enabled, pausedAt, pauseReason };
  const known = { queueName, ...pause, maxRetries, defaultTimeout, rateLimit };
  resources.change<readonly QueueRow[]>(queuesResource.key, (rows) => {
    const isThere = rows.some((row) => row.queueName === queueName);
    if (isThere)
      return rows.map((row) => (row.queueName === queueName ? { ...row, ...known } : row));
    const counts = { pending: 0, processing: 0, scheduled: 0, completed: 0, deadletter: 0 };
    return [...rows, { ...known, counts }].sort((a, b) => (a.queueName < b.queueName ? -1 : 1));
  });
}
