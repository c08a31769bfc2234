import type { SpooledError } from '@spooled/sdk';
import type { ReactNode } from 'react';

import type { UsedResource } from '../live/use-resource.js';
import { Icon, type IconName } from './icon.js';

export function Loading({ label = 'Loading' }: { readonly label?: string }) {
  return (
    <div className="state" role="status">
      <span className="spinner" aria-hidden="true" />
      <p>{label}…</p>
    </div>
  );
}

/** Nothing is there: says why that may be, and what to do next. */
export function Empty({
  icon = 'inbox',
  title,
  children,
}: {
  readonly icon?: IconName;
  readonly title: string;
  readonly children?: ReactNode;
}) {
  return (
    <div className="state">
      <Icon name={icon} />
      <p className="state-title">{title}</p>
      {children !== undefined && <div className="muted">{children}</div>}
    </div>
  );
}

/** What the server said, its code, and what to do about it. */
export function Failure({
  error,
  onRetry,
}: {
  readonly error: SpooledError;
  readonly onRetry?: () => void;
}) {
  return (
    <div className="state" role="alert">
      <Icon name="alert" />
      <p className="state-title">{error.message}</p>
      <p className="muted">{adviceOn(error)}</p>
      <p className="muted">
        <code>{error.code}</code>
        {error.requestId !== undefined && <> · request {error.requestId}</>}
      </p>
      {onRetry !== undefined && error.status !== 403 && (
        <button type="button" className="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** The value of a resource, or what stands in its place until there is one. */
export function Loaded<T>({
  resource,
  children,
}: {
  readonly resource: UsedResource<T>;
  readonly children: (value: T) => ReactNode;
}) {
  const { state, reload } = resource;
  if (state.status === 'loading') return <Loading />;
  if (state.status === 'failed') return <Failure error={state.error} onRetry={reload} />;
  return <>{children(state.value)}</>;
}

export function adviceOn({ status, code }: SpooledError): string {
  if (code === 'FEATURE_DISABLED') return 'Your plan does not include it; see Usage and plan.';
  if (code === 'QUOTA_EXCEEDED') return 'See Usage and plan for what is used of it.';
  if (status === 403) return 'Sign in with a key that is allowed to see it.';
  if (status === 404)
    return 'It may have been deleted, or belong to a queue that your key may not use.';
  if (status === 0)
    return 'The server did not answer. Check that it runs and that you are connected.';
  if (status >= 500) return 'Something is wrong with the server; it may be over in a moment.';
  return 'Look at what was asked for, and try again.';
}
