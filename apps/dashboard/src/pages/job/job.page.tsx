import type { Job } from '@spooled/sdk';
import { useParams } from 'wouter';

import type { Resource } from '../../live/resources.js';
import { useResource } from '../../live/use-resource.js';
import { StatusBadge } from '../../ui/badge.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Loaded } from '../../ui/states.js';

function jobResource(id: string): Resource<Job> {
  return { key: `job:${id}`, load: (client, signal) => client.jobs.get(id, { signal }) };
}

export function Page() {
  const { id } = useParams<{ id: string }>();
  const job = useResource(jobResource(id));
  return (
    <PageFrame title="Job" description={<span className="mono">{id}</span>}>
      <Card>
        <Loaded resource={job}>
          {({ status, queueName }) => (
            <p>
              <StatusBadge status={status} /> in {queueName}
            </p>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}
