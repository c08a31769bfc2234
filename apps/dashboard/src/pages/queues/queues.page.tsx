import { Link } from 'wouter';

import { queuesResource } from '../../live/queues.js';
import { useQueueRates } from '../../live/queue-rates.js';
import { useResource } from '../../live/use-resource.js';
import { useSession } from '../../session/session-context.js';
import { StatusBadge } from '../../ui/badge.js';
import { FormAction, InputField } from '../../ui/form.js';
import { count } from '../../ui/numbers.js';
import { Card, PageFrame } from '../../ui/page.js';
import {
  ConfigureQueue,
  DeleteQueue,
  PauseOrResume,
  changeQueue,
} from '../../parts/queue-actions.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';

export function Page() {
  const queues = useResource(queuesResource);
  const rates = useQueueRates();
  return (
    <PageFrame
      title="Queues"
      description="What waits and what runs; by the minute, what came and was done since this page was opened."
      actions={<NewQueue />}
    >
      <Card isFlush>
        <Loaded resource={queues}>
          {(rows) => (
            <Table
              label="Queues"
              rows={rows}
              rowKey={({ queueName }) => queueName}
              columns={[
                {
                  title: 'Queue',
                  cell: ({ queueName }) => (
                    <Link href={`/queues/${encodeURIComponent(queueName)}`}>{queueName}</Link>
                  ),
                },
                {
                  title: 'State',
                  cell: ({ isPaused }) => <StatusBadge status={isPaused ? 'paused' : 'active'} />,
                },
                { title: 'Pending', isNumber: true, cell: ({ counts }) => count(counts.pending) },
                {
                  title: 'Running',
                  isNumber: true,
                  cell: ({ counts }) => count(counts.processing),
                },
                {
                  title: 'Dead',
                  isNumber: true,
                  cell: ({ queueName, counts }) =>
                    counts.deadletter ? (
                      <Link href={`/dead-letters?queue=${encodeURIComponent(queueName)}`}>
                        {count(counts.deadletter)}
                      </Link>
                    ) : (
                      count(counts.deadletter)
                    ),
                },
                {
                  title: 'In / min',
                  isNumber: true,
                  cell: ({ queueName }) => count(rates.get(queueName)?.created ?? 0),
                },
                {
                  title: 'Done / min',
                  isNumber: true,
                  cell: ({ queueName }) => count(rates.get(queueName)?.completed ?? 0),
                },
                {
                  title: 'Actions',
                  isNumber: true,
                  cell: (queue) => (
                    <div className="row-actions">
                      <PauseOrResume queue={queue} />
                      <ConfigureQueue queue={queue} />
                      <DeleteQueue queueName={queue.queueName} />
                    </div>
                  ),
                },
              ]}
            >
              <Empty title="No queue yet">
                Enqueue a job, and its queue appears here; or create one to set its limits first.
              </Empty>
            </Table>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}

function NewQueue() {
  const { client, resources } = useSession();
  return (
    <FormAction
      label="New queue"
      submit="Create"
      kind="primary"
      done="The queue is there."
      run={async (values) => {
        const queue = await client.queues.updateConfig(values.text('name'), {
          maxRetries: values.number('max_retries'),
          rateLimit: values.number('rate_limit'),
        });
        changeQueue(resources, queue);
      }}
    >
      <InputField
        name="name"
        label="Name"
        required
        maxLength={100}
        hint="Letters, digits and _ - . ; jobs name their queue so."
      />
      <InputField name="max_retries" label="Retries of a job" type="number" min={0} max={100} />
      <InputField
        name="rate_limit"
        label="Jobs started per second, at most"
        type="number"
        min={1}
        hint="Empty: as fast as workers ask."
      />
    </FormAction>
  );
}
