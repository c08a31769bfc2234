import type { Answer } from '@spooled/sdk';
import { useParams } from 'wouter';

import type { Resource } from '../../live/resources.js';
import { useResource } from '../../live/use-resource.js';
import { StatusBadge } from '../../ui/badge.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Loaded } from '../../ui/states.js';

function workflowResource(id: string): Resource<Answer<'workflows', 'get'>> {
  return { key: `workflow:${id}`, load: (client, signal) => client.workflows.get(id, { signal }) };
}

export function Page() {
  const { id } = useParams<{ id: string }>();
  const workflow = useResource(workflowResource(id));
  return (
    <PageFrame title="Workflow" description={<span className="mono">{id}</span>}>
      <Card>
        <Loaded resource={workflow}>
          {({ name, status }) => (
            <p>
              {name} <StatusBadge status={status} />
            </p>
          )}
        </Loaded>
      </Card>
    </PageFrame>
  );
}
