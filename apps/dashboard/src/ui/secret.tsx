import { useEffect, useRef, useState } from 'react';

import { Dialog } from './action.js';
import { tell } from './toasts.js';

/** A secret at the only moment when it is known. */
export interface Secret {
  readonly title: string;
  readonly text: string;
}

/** Shows a secret once, to be copied; when it is closed it is gone. */
export function SecretDialog({
  secret: { title, text },
  onClose,
}: {
  readonly secret: Secret;
  readonly onClose: () => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const [isByHand, setIsByHand] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const copy = async () => {
    if (await isCopied(text)) {
      tell({ kind: 'good', text: 'Copied.' });
      return;
    }
    field.current?.select();
    setIsByHand(true);
  };
  return (
    <Dialog ref={dialog} title={title} onClose={onClose}>
      <p>It is shown now and never again. Keep it where secrets are kept.</p>
      <div className="secret">
        <input
          ref={field}
          className="mono"
          aria-label={title}
          readOnly
          value={text}
          onFocus={({ currentTarget }) => currentTarget.select()}
        />
        <button type="button" className="button button-primary" onClick={() => void copy()}>
          Copy
        </button>
      </div>
      {isByHand && (
        <p className="notice" role="status">
          This browser does not let the page copy. The text is selected: press Ctrl+C or ⌘C.
        </p>
      )}
      <form method="dialog" className="dialog-actions">
        <button className="button">I have kept it</button>
      </form>
    </Dialog>
  );
}

/** There is no clipboard without https, or when the browser refuses it. */
async function isCopied(text: string): Promise<boolean> {
  const { clipboard } = navigator as { clipboard?: Clipboard };
  if (clipboard === undefined) return false;
  return clipboard.writeText(text).then(
    () => true,
    () => false,
  );
}
