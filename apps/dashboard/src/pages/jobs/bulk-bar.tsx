import { SpooledError, type SpooledClient } from '@spooled/sdk';

import { useSession } from '../../session/session-context.js';
import { ActionButton } from '../../ui/action.js';
import { count } from '../../ui/numbers.js';
import { tell } from '../../ui/toasts.js';
import { toBulkFilter, type Filters } from './filters.js';

/** The highest there is: such jobs are claimed before all others. */
const FIRST = 100;

/** What can be done to many jobs, one by one or by what they have in common. */
const actions = [
  {
    label: 'Cancel',
    done: 'Cancelled',
    kind: 'danger',
    warning: 'What has not begun will not be run. That cannot be undone.',
    one: (client: SpooledClient, id: string): Promise<unknown> => client.jobs.cancel(id),
    all: (client: SpooledClient, filter: BulkFilter) => client.jobs.bulkCancel({ filter }),
  },
  {
    label: 'Retry',
    done: 'Retried',
    kind: 'normal',
    warning: 'What was given up is tried again, with all its retries.',
    one: (client: SpooledClient, id: string): Promise<unknown> => client.jobs.retry(id),
    all: (client: SpooledClient, filter: BulkFilter) => client.jobs.bulkRetry({ filter }),
  },
  {
    label: 'Claim first',
    done: 'Put first',
    kind: 'normal',
    warning: 'What has not begun gets the highest priority.',
    one: (client: SpooledClient, id: string): Promise<unknown> =>
      client.jobs.setPriority(id, FIRST),
    all: (client: SpooledClient, filter: BulkFilter) =>
      client.jobs.bulkSetPriority({ filter, priority: FIRST }),
  },
] as const;

type BulkFilter = ReturnType<typeof toBulkFilter>;

/** For the selected jobs: one call each. Those that moved on meanwhile are counted, not hidden. */
export function SelectedBar({
  selected,
  onDone,
}: {
  readonly selected: readonly string[];
  readonly onDone: () => void;
}) {
  const { client } = useSession();
  const jobs = `${count(selected.length)} jobs`;
  return (
    <div className="bulk" role="region" aria-label="Selected jobs">
      <b className="tabular">{count(selected.length)} selected</b>
      {actions.map(({ label, done, kind, warning, one }) => (
        <ActionButton
          key={label}
          label={label}
          kind={kind}
          confirm={`${jobs}. ${warning}`}
          run={async () => {
            const refused = await onEach(selected, (id) => one(client, id));
            const [first] = refused;
            tell({
              kind: first === undefined ? 'good' : 'bad',
              text: `${done}: ${selected.length - refused.length} of ${jobs}. ${first?.message ?? ''}`,
              ...(first && { code: first.code }),
            });
            onDone();
          }}
        />
      ))}
      <button type="button" className="button" onClick={onDone}>
        Select none
      </button>
    </div>
  );
}

/** For all that match, also those on other pages: one call, in which the server looks for them. */
export function MatchingBar({ filters }: { readonly filters: Filters }) {
  const { client } = useSession();
  return (
    <div className="bulk-all" role="group" aria-label="All jobs that match">
      <span className="muted">All that match:</span>
      {actions.map(({ label, done, kind, warning, all }) => (
        <ActionButton
          key={label}
          label={`${label} all`}
          kind={kind}
          confirm={`All jobs that match, on every page, at most 1000. ${warning}`}
          run={async () => {
            const { changed, skipped, hasMore } = await all(client, toBulkFilter(filters));
            const more = hasMore ? ' There are more: do it again.' : '';
            const moved = skipped > 0 ? ` ${count(skipped)} had moved on.` : '';
            tell({ kind: 'good', text: `${done}: ${count(changed)} jobs.${moved}${more}` });
          }}
        />
      ))}
    </div>
  );
}

const AT_ONCE = 5;

/** Returns what was refused. */
async function onEach(
  ids: readonly string[],
  call: (id: string) => Promise<unknown>,
): Promise<SpooledError[]> {
  const waiting = [...ids];
  const refused: SpooledError[] = [];
  const lane = async () => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      try {
        await call(id);
      } catch (error) {
        if (!(error instanceof SpooledError)) throw error;
        refused.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return refused;
}
