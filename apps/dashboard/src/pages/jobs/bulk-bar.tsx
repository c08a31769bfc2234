import { SpooledError, type SpooledClient } from '@spooled/sdk';

import { useSession } from '../../session/session-context.js';
import { ActionButton } from '../../ui/action.js';
import { count } from '../../ui/numbers.js';
import { tell } from '../../ui/toasts.js';

/** What is done to the selected jobs, one call for each; those that moved on meanwhile are counted, not hidden. */
export function BulkBar({
  selected,
  onDone,
}: {
  readonly selected: readonly string[];
  readonly onDone: () => void;
}) {
  const { client } = useSession();
  const onEach = async (what: string, call: (id: string) => Promise<unknown>) => {
    const { done, refused } = await each(selected, call);
    tell({
      kind: refused.length === 0 ? 'good' : 'bad',
      text: `${what}: ${count(done)} of ${count(selected.length)} jobs.${firstOf(refused)}`,
      ...(refused[0] && { code: refused[0].code }),
    });
    onDone();
  };
  return (
    <div className="bulk" role="region" aria-label="Selected jobs">
      <b className="tabular">{count(selected.length)} selected</b>
      <ActionButton
        label="Cancel"
        kind="danger"
        confirm={`${count(selected.length)} jobs will not be run. That cannot be undone.`}
        run={() => onEach('Cancelled', (id) => client.jobs.cancel(id))}
      />
      <ActionButton label="Retry" run={() => onEach('Retried', (id) => client.jobs.retry(id))} />
      <PriorityAction client={client} onEach={onEach} />
      <button type="button" className="button" onClick={onDone}>
        Select none
      </button>
    </div>
  );
}

function PriorityAction({
  client,
  onEach,
}: {
  readonly client: SpooledClient;
  readonly onEach: (what: string, call: (id: string) => Promise<unknown>) => Promise<void>;
}) {
  return (
    <ActionButton
      label="Claim first"
      run={() => onEach('Put first', (id) => client.jobs.setPriority(id, 100))}
    />
  );
}

const AT_ONCE = 5;

async function each(ids: readonly string[], call: (id: string) => Promise<unknown>) {
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
  return { done: ids.length - refused.length, refused };
}

function firstOf([first]: readonly SpooledError[]): string {
  return first === undefined ? '' : ` ${first.message}`;
}
