import { Component, type ReactNode } from 'react';

import { Empty } from '../ui/states.js';

interface State {
  readonly error: Error | undefined;
}

/** A page that breaks leaves the rest usable, and says so. */
export class ErrorBoundary extends Component<{ readonly children: ReactNode }, State> {
  override state: State = { error: undefined };

  static getDerivedStateFromError(error: Error): State {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    return (
      <Empty icon="alert" title="This page broke">
        <p>{error.message}</p>
        <button type="button" className="button" onClick={() => location.reload()}>
          Load it anew
        </button>
      </Empty>
    );
  }
}
