import { Link, useParams } from 'wouter';

import { useResource } from '../../live/use-resource.js';
import { useSession } from '../../session/session-context.js';
import { ActionButton } from '../../ui/action.js';
import { StatusBadge } from '../../ui/badge.js';
import { JsonView } from '../../ui/json-view.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Loaded } from '../../ui/states.js';
import { JobFacts } from './job-facts.js';
import { jobResource, type JobView } from './job-view.js';
import './job.css';
import { LogCard } from './log-card.js';
import { TimelineCard } from './timeline-card.js';
import { WhyCard } from './why-card.js';

export function Page() {
  const { id } = useParams<{ id: string }>();
  const resource = useResource(jobResource(id));
  return (
    <Loaded resource={resource}>
      {(view) => <JobPage view={view} onReload={resource.reload} />}
    </Loaded>
  );
}

function JobPage({ view, onReload }: { readonly view: JobView; readonly onReload: () => void }) {
  const { job, payload, result, tags, isResultPartial } = view;
  const { id, status, progress } = job;
  return (
    <PageFrame
      title={
        <span className="job-title">
          Job <StatusBadge status={status} />
        </span>
      }
      description={
        <>
          <Link href="/jobs">Jobs</Link> / <span className="mono">{id}</span>
        </>
      }
      actions={<Actions view={view} />}
    >
      {status === 'processing' && progress != null && (
        <Card title="Progress">
          <progress className="progress" max={100} value={progress.percent} aria-label="Progress" />
          <p>
            <b className="tabular">{progress.percent} %</b> {progress.message}
          </p>
        </Card>
      )}
      <div className="job-columns">
        <div className="job-column">
          <WhyCard id={id} status={status} />
          <TimelineCard id={id} />
          <LogCard id={id} />
        </div>
        <div className="job-column">
          <JobFacts job={job} />
          {job.last_error !== null && (
            <Card title="Last error">
              <pre className="log" tabIndex={0} role="region" aria-label="Last error">
                {job.last_error}
              </pre>
            </Card>
          )}
          <Card title="Payload">
            <JsonView label="Payload" json={payload} />
          </Card>
          {result !== 'null' && (
            <Card title="Result">
              {isResultPartial && (
                <p className="notice">
                  It came with an event, which may have cut it or rounded its numbers.{' '}
                  <button type="button" className="button" onClick={onReload}>
                    Read all of it
                  </button>
                </p>
              )}
              <JsonView label="Result" json={result} />
            </Card>
          )}
          {tags !== 'null' && (
            <Card title="Tags">
              <JsonView label="Tags" json={tags} />
            </Card>
          )}
        </div>
      </div>
    </PageFrame>
  );
}

function Actions({ view: { job } }: { readonly view: JobView }) {
  const { client } = useSession();
  const { id, status } = job;
  if (status === 'pending' || status === 'scheduled') {
    return (
      <ActionButton
        label="Cancel job"
        kind="danger"
        confirm="It will not be run. That cannot be undone."
        run={() => client.jobs.cancel(id)}
        done="The job is cancelled"
      />
    );
  }
  if (status === 'failed' || status === 'deadletter') {
    return (
      <ActionButton
        label="Retry"
        kind="primary"
        run={() => client.jobs.retry(id)}
        done="The job waits for a worker again"
      />
    );
  }
  return null;
}
