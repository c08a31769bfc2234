import { Link, useLocation, useParams } from 'wouter';

import { useNextFires } from '../../live/cron.js';
import type { Resource } from '../../live/resources.js';
import { afterRun, lastRuns, type Schedule } from '../../live/schedules.js';
import { useResource } from '../../live/use-resource.js';
import {
  DeleteSchedule,
  EditSchedule,
  PauseOrResumeSchedule,
  scheduleKey,
  TriggerSchedule,
} from '../../parts/schedule-actions.js';
import { CronText } from '../../parts/schedule-text.js';
import { StatusBadge } from '../../ui/badge.js';
import { JobLink } from '../../ui/job-link.js';
import { JsonView } from '../../ui/json-view.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { Ago } from '../../ui/time.js';
import { runsResource } from './runs.js';
import './schedule.css';

function scheduleResource(id: string): Resource<Schedule> {
  return {
    key: scheduleKey(id),
    load: (client, signal) => client.schedules.get(id, { signal }),
    apply: (schedule, events) => afterRun(schedule, lastRuns(events).get(id)),
  };
}

export function Page() {
  const { id } = useParams<{ id: string }>();
  const schedule = useResource(scheduleResource(id));
  const runs = useResource(runsResource(id));
  const [, navigate] = useLocation();
  const known = schedule.state.status === 'ready' ? schedule.state.value : undefined;
  return (
    <PageFrame
      title={known?.name ?? 'Schedule'}
      description={known && <StatusBadge status={known.isActive ? 'active' : 'paused'} />}
      actions={
        known && (
          <>
            <TriggerSchedule schedule={known} />
            <PauseOrResumeSchedule schedule={known} />
            <EditSchedule schedule={known} />
            <DeleteSchedule schedule={known} onDeleted={() => navigate('/schedules')} />
          </>
        )
      }
    >
      <Loaded resource={schedule}>
        {(value) => (
          <div className="schedule-cards">
            <Card title="What it does">
              <Facts schedule={value} />
            </Card>
            <Card title="Next fires">
              <NextFires schedule={value} />
            </Card>
          </div>
        )}
      </Loaded>
      <Card title="Runs" isFlush>
        <Loaded resource={runs}>
          {(rows) => (
            <Table
              label="Runs"
              rows={rows}
              rowKey={({ jobId, startedAt }) => `${jobId} ${startedAt}`}
              columns={[
                { title: 'Fired', cell: ({ startedAt }) => <Ago at={startedAt} /> },
                {
                  title: 'Job',
                  cell: ({ jobId }) => (jobId === null ? '–' : <JobLink id={jobId} />),
                },
                {
                  title: 'Job is',
                  cell: ({ jobStatus }) =>
                    jobStatus === null ? 'not known any more' : <StatusBadge status={jobStatus} />,
                },
                {
                  title: 'Enqueueing',
                  cell: ({ status, errorMessage }) => (
                    <>
                      {status}{' '}
                      {errorMessage !== null && <span className="problem">{errorMessage}</span>}
                    </>
                  ),
                },
              ]}
            >
              <Empty icon="clock" title="It has not run yet">
                Wait for its next fire, or trigger it.
              </Empty>
            </Table>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}

function Facts({ schedule }: { readonly schedule: Schedule }) {
  const { queueName, description, lastRunAt, payloadTemplate } = schedule;
  return (
    <dl className="facts">
      <dt>When</dt>
      <dd>
        <CronText schedule={schedule} />
      </dd>
      <dt>Queue</dt>
      <dd>
        <Link href={`/queues/${encodeURIComponent(queueName)}`}>{queueName}</Link>
      </dd>
      {description !== null && description !== '' && (
        <>
          <dt>Description</dt>
          <dd>{description}</dd>
        </>
      )}
      <dt>Last run</dt>
      <dd>
        <Ago at={lastRunAt} />
      </dd>
      <dt>Payload</dt>
      <dd>
        <JsonView label="Payload" json={JSON.stringify(payloadTemplate)} />
      </dd>
    </dl>
  );
}

const SHOWN_FIRES = 5;

function NextFires({ schedule }: { readonly schedule: Schedule }) {
  const fires = useNextFires(schedule, SHOWN_FIRES);
  if (!schedule.isActive)
    return <p className="muted">It is paused: resume it, and it fires again.</p>;
  return (
    <ol className="schedule-fires tabular">
      {fires.map((at) => (
        <li key={at.getTime()}>
          <time dateTime={at.toISOString()}>{inZone(at, schedule.timezone)}</time>{' '}
          <span className="muted">
            <Ago at={at.toISOString()} />
          </span>
        </li>
      ))}
    </ol>
  );
}

function inZone(at: Date, timeZone: string): string {
  const shape = { dateStyle: 'full', timeStyle: 'medium', hour12: false } as const;
  try {
    return at.toLocaleString('en-GB', { ...shape, timeZone });
  } catch {
    // A zone that this browser does not know.
    return at.toISOString();
  }
}
