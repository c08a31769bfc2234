import { SpooledError } from '@spooled/sdk';
import { useState } from 'react';

import { useSession } from '../../session/session-context.js';
import type { DeadLetterRow } from './dead-letters.js';

/** The payload of a job, opened in its place. One that the list does not have is asked for when it is opened. */
export function Payload({ row }: { readonly row: DeadLetterRow }) {
  const { client } = useSession();
  const [text, setText] = useState(row.payload === undefined ? undefined : written(row.payload));
  const read = async () => {
    try {
      setText(written((await client.jobs.get(row.id)).payload));
    } catch (error) {
      if (!(error instanceof SpooledError)) throw error;
      setText(`${error.message} (${error.code})`);
    }
  };
  return (
    <details
      className="dead-payload"
      onToggle={({ currentTarget }) => {
        if (currentTarget.open && text === undefined) void read();
      }}
    >
      <summary>{text === undefined ? 'Show' : preview(text)}</summary>
      <pre className="json" tabIndex={0}>
        {text ?? 'Reading…'}
      </pre>
    </details>
  );
}

const PREVIEW_LENGTH = 40;

function preview(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length > PREVIEW_LENGTH ? `${line.slice(0, PREVIEW_LENGTH)}…` : line;
}

function written(payload: unknown): string {
  return JSON.stringify(payload, null, 2);
}
