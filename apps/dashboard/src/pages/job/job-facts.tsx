import { Link } from 'wouter';
import { Fragment, type ReactNode } from 'react';

import { Card } from '../../ui/page.js';
import { JobLink } from '../../ui/job-link.js';
import { Ago } from '../../ui/time.js';
import type { JobView } from './job-view.js';

export function JobFacts({ job }: { readonly job: JobView['job'] }) {
  const facts: readonly (readonly [string, ReactNode])[] = [
    [
      'Queue',
      <Link href={`/jobs?queue=${encodeURIComponent(job.queue_name)}`}>{job.queue_name}</Link>,
    ],
    ['Priority', job.priority],
    ['Retries', `${job.retry_count} of ${job.max_retries}`],
    ['Created', <Ago at={job.created_at} />],
    ['Scheduled for', job.scheduled_at && <Ago at={job.scheduled_at} />],
    ['Began', job.started_at && <Ago at={job.started_at} />],
    ['Ended', job.completed_at && <Ago at={job.completed_at} />],
    ['Expires', job.expires_at && <Ago at={job.expires_at} />],
    ['Time limit', `${job.timeout_seconds} s`],
    ['Worker', job.assigned_worker_id && <span className="mono">{job.assigned_worker_id}</span>],
    [
      'Lease until',
      job.status === 'processing' && job.lease_expires_at && <Ago at={job.lease_expires_at} />,
    ],
    ['Workflow', job.workflow_id && <Link href={`/workflows/${job.workflow_id}`}>Open it</Link>],
    ['Parent', job.parent_job_id && <JobLink id={job.parent_job_id} />],
    ['Idempotency key', job.idempotency_key && <span className="mono">{job.idempotency_key}</span>],
  ];
  return (
    <Card title="Facts">
      <dl className="facts">
        {facts
          .filter(([, value]) => value !== null && value !== false && value !== '')
          .map(([name, value]) => (
            <Fragment key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </Fragment>
          ))}
      </dl>
    </Card>
  );
}
