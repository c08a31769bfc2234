import { SpooledClient, SpooledError } from '@spooled/sdk';
import { useState, type SyntheticEvent } from 'react';

import type { Tokens } from '../session/tokens.js';
import { Brand } from './brand.js';
import './sign-in.css';

/** Without repetitions: whoever signs in wants to know at once. */
const client = new SpooledClient({ baseUrl: location.origin, retry: { maxRetries: 0 } });

export function SignIn({
  notice,
  onSignedIn,
}: {
  readonly notice?: string | undefined;
  readonly onSignedIn: (tokens: Tokens) => void;
}) {
  const [problem, setProblem] = useState<string>();
  const [isBusy, setIsBusy] = useState(false);

  const signIn = async (apiKey: string) => {
    setIsBusy(true);
    setProblem(undefined);
    try {
      onSignedIn(await client.auth.login({ apiKey }));
    } catch (error) {
      if (!(error instanceof SpooledError)) throw error;
      setProblem(explain(error));
      setIsBusy(false);
    }
  };
  const submit = (event: SyntheticEvent<HTMLFormElement>) => {
    event.preventDefault();
    const apiKey = new FormData(event.currentTarget).get('key');
    if (typeof apiKey === 'string') void signIn(apiKey.trim());
  };

  return (
    <main className="sign-in">
      <form className="sign-in-card" onSubmit={submit}>
        <Brand />
        <h1>Sign in</h1>
        {notice !== undefined && (
          <p className="notice" role="status">
            {notice}
          </p>
        )}
        <label className="field">
          <span>API key</span>
          <input
            name="key"
            type="password"
            autoComplete="off"
            spellCheck={false}
            required
            minLength={10}
            autoFocus
            aria-describedby="key-hint"
            aria-invalid={problem !== undefined}
          />
        </label>
        <p id="key-hint" className="muted">
          It begins with <code>sp_</code>. The server printed one at its first start. It is traded
          for a session of this tab and not kept.
        </p>
        {problem !== undefined && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        <button className="button button-primary" disabled={isBusy}>
          {isBusy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
    </main>
  );
}

function explain({ status, message, code }: SpooledError): string {
  if (status === 401) return 'The server does not know this key, or it was revoked or has expired.';
  if (status === 400) return 'This is not an API key: it is too short or too long.';
  if (status === 429) return 'This key was tried too often. Wait a minute, then try again.';
  if (status === 0) return 'The server does not answer. Check that it runs.';
  return `${message} (${code})`;
}
