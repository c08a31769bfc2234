import type { Answer } from '@spooled/sdk';

import type { Resource } from '../../live/resources.js';
import { useResource } from '../../live/use-resource.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Loaded } from '../../ui/states.js';

const usageResource: Resource<Answer<'organizations', 'usage'>> = {
  key: 'usage',
  load: (client, signal) => client.organizations.getUsage({ signal }),
};

export function Page() {
  const usage = useResource(usageResource);
  return (
    <PageFrame title="Usage and plan">
      <Card>
        <Loaded resource={usage}>{({ planDisplayName }) => <p>Plan: {planDisplayName}</p>}</Loaded>
      </Card>
    </PageFrame>
  );
}
