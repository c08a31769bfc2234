import { SpooledError } from '@spooled/sdk';
import { useState } from 'react';

import { useSession } from '../../session/session-context.js';
import { memberTexts } from '../../ui/json-text.js';
import { JsonView } from '../../ui/json-view.js';
import type { DeadLetterRow } from './dead-letters.js';

/** The payload of a job, opened in its place. One that the list does not have is asked for when it is opened. */
export function Payload({ row }: { readonly row: DeadLetterRow }) {
  const { client } = useSession();
  const [read, setRead] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const json = row.payload === undefined ? read : JSON.stringify(row.payload);
  const load = async () => {
    try {
      setRead(memberTexts(await client.jobs.getText(row.id)).get('payload') ?? 'null');
    } catch (error) {
      if (!(error instanceof SpooledError)) throw error;
      setProblem(`${error.message} (${error.code})`);
    }
  };
  return (
    <details
      className="dead-payload"
      onToggle={({ currentTarget }) => {
        if (currentTarget.open && json === undefined) void load();
      }}
    >
      <summary>{json === undefined ? 'Show' : preview(json)}</summary>
      {json !== undefined && <JsonView label="Payload" json={json} />}
      {problem !== undefined && <p className="problem">{problem}</p>}
    </details>
  );
}

const PREVIEW_LENGTH = 40;

function preview(json: string): string {
  return json.length > PREVIEW_LENGTH ? `${json.slice(0, PREVIEW_LENGTH)}…` : json;
}
