import type { Answer } from '@spooled/sdk';

import type { Resource } from '../../live/resources.js';
import { useResource } from '../../live/use-resource.js';
import { Card } from '../../ui/page.js';
import { Loaded } from '../../ui/states.js';

interface Explanation {
  readonly why: Answer<'jobs', 'why'>;
  readonly askedAt: number;
}

/** Why a job stands where it stands is worked out when it is asked: no event tells it. */
function whyResource(id: string): Resource<Explanation> {
  return {
    key: `why:${id}`,
    load: async (client, signal) => ({
      why: await client.jobs.why(id, { signal }),
      askedAt: Date.now(),
    }),
  };
}

export function WhyCard({ id, status }: { readonly id: string; readonly status: string }) {
  const explanation = useResource(whyResource(id));
  return (
    <Card
      title="Why it is here"
      aside={
        <button type="button" className="button" onClick={explanation.reload}>
          Ask again
        </button>
      }
    >
      <Loaded resource={explanation}>
        {({ why, askedAt }) => (
          <>
            <p className="job-why">{why.message}</p>
            <p className="muted">
              As of {new Date(askedAt).toLocaleTimeString(undefined, { hour12: false })}
              {why.status !== status && ', when it was '}
              {why.status !== status && <b>{why.status}</b>}. <code>{why.reason}</code>
            </p>
          </>
        )}
      </Loaded>
    </Card>
  );
}
