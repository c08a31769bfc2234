import { useStore } from '../live/store.js';
import { Access } from '../session/access.js';
import { SessionContext } from '../session/session-context.js';
import { Failure, Loading } from '../ui/states.js';
import { Toasts } from '../ui/toasts.js';
import { Shell } from './shell.js';
import { SignIn } from './sign-in.js';

const access = new Access();

/** Who is signed in, and what they see. */
export function App() {
  const stage = useStore(access.stage);
  return (
    <>
      {stage.name === 'opening' && <Loading label="Opening" />}
      {stage.name === 'unreachable' && (
        <Failure error={stage.error} onRetry={() => void access.open(stage.tokens)} />
      )}
      {stage.name === 'signed-out' && (
        <SignIn notice={stage.notice} onSignedIn={(tokens) => void access.signIn(tokens)} />
      )}
      {stage.name === 'signed-in' && (
        <SessionContext value={stage.session}>
          <Shell onSignOut={() => void access.signOut()} />
        </SessionContext>
      )}
      <Toasts />
    </>
  );
}
