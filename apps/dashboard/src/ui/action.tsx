import { SpooledError } from '@spooled/sdk';
import { useId, useRef, useState, type ReactNode } from 'react';

import { useReadOnlyReason } from '../session/session-context.js';
import { tell } from './toasts.js';

export interface ActionProps {
  readonly label: string;
  /** What it does. What it rejects with is shown as the server says it. */
  readonly run: () => Promise<unknown>;
  /** Said when it went well. */
  readonly done?: string;
  /** Asked before: for what cannot be undone. */
  readonly confirm?: string;
  /** Why it cannot be done here, whoever asks. */
  readonly refusal?: string | undefined;
  readonly kind?: 'normal' | 'primary' | 'danger';
}

/** A button that changes something on the server. Off, with its reason, while the stream is away. */
export function ActionButton({ label, run, done, confirm, refusal, kind = 'normal' }: ActionProps) {
  const [isRunning, setIsRunning] = useState(false);
  const dialog = useRef<HTMLDialogElement>(null);
  const act = async () => {
    setIsRunning(true);
    try {
      await run();
      if (done !== undefined) tell({ kind: 'good', text: done });
    } catch (error) {
      if (!(error instanceof SpooledError)) throw error;
      tell({ kind: 'bad', text: `${label}: ${error.message}`, code: error.code });
    } finally {
      setIsRunning(false);
    }
  };
  const press = () => {
    if (confirm === undefined) void act();
    else dialog.current?.showModal();
  };
  return (
    <>
      <ActionTrigger
        label={label}
        kind={kind}
        refusal={refusal}
        isRunning={isRunning}
        onPress={press}
      />
      {confirm !== undefined && (
        <Dialog ref={dialog} title={label}>
          <p>{confirm}</p>
          <form method="dialog" className="dialog-actions">
            <button className="button" autoFocus>
              Keep it
            </button>
            <button className={`button button-${kind}`} onClick={() => void act()}>
              {label}
            </button>
          </form>
        </Dialog>
      )}
    </>
  );
}

/** The button of an action: it says why it is off, and stays focusable, so that a keyboard reaches the reason. */
export function ActionTrigger({
  label,
  kind,
  refusal,
  isRunning = false,
  onPress,
}: {
  readonly label: string;
  readonly kind: 'normal' | 'primary' | 'danger';
  readonly refusal: string | undefined;
  readonly isRunning?: boolean;
  readonly onPress: () => void;
}) {
  const reasonId = useId();
  const readOnly = useReadOnlyReason();
  const reason = refusal ?? readOnly;
  const isOff = reason !== undefined || isRunning;
  return (
    <>
      <button
        type="button"
        className={`button button-${kind}`}
        aria-disabled={isOff}
        aria-describedby={reason === undefined ? undefined : reasonId}
        title={reason}
        onClick={isOff ? undefined : onPress}
      >
        {label}
      </button>
      {reason !== undefined && (
        <span id={reasonId} hidden>
          {reason}
        </span>
      )}
    </>
  );
}

/** Modal: open it with `showModal()` of its ref. A `<form method="dialog">` inside closes it. */
export function Dialog({
  ref,
  title,
  onClose,
  children,
}: {
  readonly ref: React.RefObject<HTMLDialogElement | null>;
  readonly title: string;
  readonly onClose?: () => void;
  readonly children: ReactNode;
}) {
  const titleId = useId();
  return (
    <dialog ref={ref} className="dialog" aria-labelledby={titleId} onClose={onClose}>
      <h2 id={titleId}>{title}</h2>
      {children}
    </dialog>
  );
}
