import { SpooledClient, SpooledError } from '@spooled/sdk';
import { useEffect, useState, type SyntheticEvent } from 'react';

import type { Tokens } from '../session/tokens.js';
import { Brand } from './brand.js';
import './sign-in.css';

/** Without repetitions: whoever signs in wants to know at once. */
const client = new SpooledClient({ baseUrl: location.origin, retry: { maxRetries: 0 } });

/** What is asked for; a code is sent to an address first. */
type Way = 'key' | 'email' | 'code';

export function SignIn({
  notice,
  onSignedIn,
}: {
  readonly notice?: string | undefined;
  readonly onSignedIn: (tokens: Tokens) => void;
}) {
  const [way, setWay] = useState<Way>('key');
  const [email, setEmail] = useState('');
  const [problem, setProblem] = useState<string>();
  const [isBusy, setIsBusy] = useState(false);

  const [sendsCodes, setSendsCodes] = useState(true);
  useEffect(() => {
    const call = new AbortController();
    // A server that does not say is asked all the same, and says no then.
    client.features.get({ signal: call.signal }).then(
      ({ emailLogin }) => setSendsCodes(emailLogin),
      () => undefined,
    );
    return () => call.abort();
  }, []);

  const go = (next: Way) => {
    setProblem(undefined);
    setWay(next);
  };
  /** What is to happen with what was typed. */
  const steps: Record<Way, (text: string) => Promise<void>> = {
    key: async (apiKey) => onSignedIn(await client.auth.login({ apiKey })),
    email: async (address) => {
      await client.auth.startEmailLogin(address);
      setEmail(address);
      go('code');
    },
    code: async (code) => {
      const verified = await client.auth.verifyEmailLogin({ email, code });
      if (verified.type === 'login') onSignedIn(verified);
      else
        setProblem('No organization has this address. Ask its owner, or sign in with an API key.');
    },
  };
  const submit = async (event: SyntheticEvent<HTMLFormElement>) => {
    event.preventDefault();
    const text = new FormData(event.currentTarget).get('text');
    if (typeof text !== 'string') return;
    setIsBusy(true);
    setProblem(undefined);
    try {
      await steps[way](text.trim());
    } catch (error) {
      if (!(error instanceof SpooledError)) throw error;
      setProblem(explain(error, way));
    } finally {
      setIsBusy(false);
    }
  };

  return (
    <main className="sign-in">
      <form className="sign-in-card" onSubmit={(event) => void submit(event)}>
        <Brand />
        <h1>Sign in</h1>
        {notice !== undefined && (
          <p className="notice" role="status">
            {notice}
          </p>
        )}
        <WayField key={way} way={way} email={email} isWrong={problem !== undefined} />
        {problem !== undefined && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        <button className="button button-primary" disabled={isBusy}>
          {isBusy ? 'One moment…' : way === 'email' ? 'Send a code' : 'Sign in'}
        </button>
        {(sendsCodes || way !== 'key') && (
          <button
            type="button"
            className="button"
            onClick={() => go(way === 'key' ? 'email' : 'key')}
          >
            {way === 'key' ? 'Use a code by e-mail' : 'Use an API key'}
          </button>
        )}
      </form>
    </main>
  );
}

function WayField({
  way,
  email,
  isWrong,
}: {
  readonly way: Way;
  readonly email: string;
  readonly isWrong: boolean;
}) {
  const common = {
    name: 'text',
    required: true,
    autoFocus: true,
    'aria-describedby': 'hint',
    'aria-invalid': isWrong,
  };
  if (way === 'key') {
    return (
      <>
        <label className="field">
          <span>API key</span>
          <input {...common} type="password" autoComplete="off" spellCheck={false} minLength={10} />
        </label>
        <p id="hint" className="muted">
          It begins with <code>sp_</code>. The server printed one at its first start. It is traded
          for a session of this tab and not kept.
        </p>
      </>
    );
  }
  if (way === 'email') {
    return (
      <>
        <label className="field">
          <span>E-mail address of the organization</span>
          <input {...common} type="email" autoComplete="email" />
        </label>
        <p id="hint" className="muted">
          A code of six digits is sent there.
        </p>
      </>
    );
  }
  return (
    <>
      <label className="field">
        <span>Code</span>
        <input {...common} inputMode="numeric" autoComplete="one-time-code" pattern="\d{6}" />
      </label>
      <p id="hint" className="muted">
        It was sent to {email} and is good for ten minutes.
      </p>
    </>
  );
}

function explain({ status, message, code }: SpooledError, way: Way): string {
  if (status === 401 && way === 'key')
    return 'The server does not know this key, or it was revoked or has expired.';
  if (status === 401) return 'The code is wrong or too old. Look again, or have another one sent.';
  if (status === 400 && way === 'key')
    return 'This is not an API key: it is too short or too long.';
  if (status === 429) return 'That was tried too often. Wait a while, then try again.';
  if (status === 0) return 'The server does not answer. Check that it runs.';
  return `${message} (${code})`;
}
