import { Link } from 'wouter';

import { schedulesResource } from '../../live/schedules.js';
import { useResource } from '../../live/use-resource.js';
import {
  NewSchedule,
  PauseOrResumeSchedule,
  TriggerSchedule,
} from '../../parts/schedule-actions.js';
import { CronText, NextFire } from '../../parts/schedule-text.js';
import { StatusBadge } from '../../ui/badge.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { Ago } from '../../ui/time.js';

export function Page() {
  const listed = useResource(schedulesResource);
  return (
    <PageFrame
      title="Schedules"
      description="Jobs that are made by the clock."
      actions={<NewSchedule />}
    >
      <Card isFlush>
        <Loaded resource={listed}>
          {(rows) => (
            <Table
              label="Schedules"
              rows={rows}
              rowKey={({ id }) => id}
              columns={[
                {
                  title: 'Name',
                  cell: ({ id, name }) => <Link href={`/schedules/${id}`}>{name}</Link>,
                },
                {
                  title: 'State',
                  cell: ({ isActive }) => <StatusBadge status={isActive ? 'active' : 'paused'} />,
                },
                { title: 'When', cell: (schedule) => <CronText schedule={schedule} /> },
                {
                  title: 'Queue',
                  cell: ({ queueName }) => (
                    <Link href={`/queues/${encodeURIComponent(queueName)}`}>{queueName}</Link>
                  ),
                },
                { title: 'Last', cell: ({ lastRunAt }) => <Ago at={lastRunAt} /> },
                { title: 'Next', cell: (schedule) => <NextFire schedule={schedule} /> },
                {
                  title: 'Actions',
                  isNumber: true,
                  cell: (schedule) => (
                    <div className="row-actions">
                      <TriggerSchedule schedule={schedule} />
                      <PauseOrResumeSchedule schedule={schedule} />
                    </div>
                  ),
                },
              ]}
            >
              <Empty icon="clock" title="No schedule yet">
                Create one, and it makes a job at each tick of its cron expression.
              </Empty>
            </Table>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}
