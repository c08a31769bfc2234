import type { Answer } from '@spooled/sdk';

import { snapshotOf } from '../../live/snapshot.js';
import { useResource } from '../../live/use-resource.js';
import { useSession } from '../../session/session-context.js';
import { ActionButton } from '../../ui/action.js';
import { AsOf } from '../../ui/as-of.js';
import { StatusBadge } from '../../ui/badge.js';
import { Meter } from '../../ui/meter.js';
import { count } from '../../ui/numbers.js';
import { Card, PageFrame } from '../../ui/page.js';
import { Empty, Loaded } from '../../ui/states.js';
import { Table } from '../../ui/table.js';
import { Ago } from '../../ui/time.js';
import './usage.css';

type Usage = Answer<'organizations', 'usage'>;
type Item = Usage['usage'][keyof Usage['usage']];

const usageResource = snapshotOf('usage', (client, signal) =>
  client.organizations.getUsage({ signal }),
);
const billingResource = snapshotOf('billing', (client, signal) =>
  client.billing.getStatus({ signal }),
);

const featuresResource = snapshotOf('features', (client, signal) =>
  client.features.get({ signal }),
);

const titles: Readonly<Record<keyof Usage['usage'], string>> = {
  jobsToday: 'Jobs today, UTC',
  activeJobs: 'Active jobs',
  queues: 'Queues',
  workers: 'Workers',
  apiKeys: 'API keys',
  schedules: 'Schedules',
  workflows: 'Workflows',
  webhooks: 'Webhooks',
};

export function Page() {
  const { identity } = useSession();
  const usage = useResource(usageResource);
  const { name, slug } = identity.organization;
  return (
    <PageFrame title="Usage and plan" description={`${name} · ${slug}`}>
      <Loaded resource={usage}>
        {({ value, readAt }) => (
          <>
            <Warnings usage={value} />
            <Card title="Used" aside={<AsOf readAt={readAt} onRead={usage.reload} />}>
              <dl className="usage-items">
                {(Object.keys(titles) as (keyof Usage['usage'])[]).map((resource) => (
                  <Used key={resource} title={titles[resource]} item={value.usage[resource]} />
                ))}
              </dl>
            </Card>
            <Plan usage={value} />
          </>
        )}
      </Loaded>
      <Members />
    </PageFrame>
  );
}

function Warnings({ usage: { warnings } }: { readonly usage: Usage }) {
  if (warnings.length === 0) return null;
  return (
    <ul className="usage-warnings">
      {warnings.map(({ resource, message, severity }) => (
        <li key={resource} className="notice" data-severity={severity}>
          {message}
        </li>
      ))}
    </ul>
  );
}

function Used({ title, item }: { readonly title: string; readonly item: Item }) {
  const { current, limit, percentage, isDisabled } = item;
  const of = isDisabled ? 'not in the plan' : limit === null ? 'no limit' : `of ${count(limit)}`;
  return (
    <div>
      <dt>{title}</dt>
      <dd className="tabular">
        <span>
          {count(current)} <span className="muted">{of}</span>
        </span>
        <Meter percentage={percentage ?? 0} />
      </dd>
    </div>
  );
}

function Plan({ usage: { planDisplayName, limits } }: { readonly usage: Usage }) {
  const billing = useResource(billingResource);
  return (
    <Card title="Plan">
      <dl className="facts">
        <dt>Plan</dt>
        <dd>{planDisplayName}</dd>
        <dt>Largest payload</dt>
        <dd>{count(limits.maxPayloadSizeBytes / 1024)} KiB</dd>
        <dt>Requests</dt>
        <dd>
          {count(limits.rateLimitRequestsPerSecond)} per second, {count(limits.rateLimitBurst)} at
          once
        </dd>
        <dt>Jobs are kept</dt>
        <dd>{daysText(limits.jobRetentionDays)}</dd>
        <dt>History is kept</dt>
        <dd>{daysText(limits.historyRetentionDays)}</dd>
      </dl>
      <Loaded resource={billing}>{({ value }) => <Subscription billing={value} />}</Loaded>
    </Card>
  );
}

function daysText(days: number): string {
  return days === 1 ? '1 day' : `${count(days)} days`;
}

/** What is paid, where payment is on; nothing elsewhere. */
function Subscription({ billing }: { readonly billing: Answer<'billing', 'status'> }) {
  const { client } = useSession();
  const features = useResource(featuresResource).state;
  const takesPayment = features.status !== 'ready' || features.value.value.billing;
  if (!billing.hasStripeCustomer) return null;
  const { stripeSubscriptionStatus: status, stripeCurrentPeriodEnd: end } = billing;
  return (
    <div className="page-actions">
      <p>
        Subscription <StatusBadge status={status ?? 'none'} />
        {end !== null && (
          <>
            {billing.stripeCancelAtPeriodEnd === true ? ' ends ' : ' renews '}
            <Ago at={end} />
          </>
        )}
      </p>
      {takesPayment && (
        <ActionButton
          label="Manage payment"
          run={async () => {
            const { url } = await client.billing.createPortal({ returnUrl: location.href });
            location.assign(url);
          }}
        />
      )}
    </div>
  );
}

function Members() {
  const { organizationId } = useSession().identity;
  const members = useResource(
    snapshotOf(`members:${organizationId}`, (client, signal) =>
      client.organizations.getMembers(organizationId, { signal }),
    ),
  );
  return (
    <Card title="Who acts for the organization" isFlush>
      <Loaded resource={members}>
        {({ value }) => (
          <Table
            label="Members"
            rows={value}
            rowKey={({ id }) => id}
            columns={[
              { title: 'Key', cell: ({ name }) => name },
              { title: 'Role', cell: ({ role }) => role },
              { title: 'Since', cell: ({ joinedAt }) => <Ago at={joinedAt} /> },
            ]}
          >
            <Empty title="Nobody">Members come with keys: see API keys.</Empty>
          </Table>
        )}
      </Loaded>
    </Card>
  );
}
