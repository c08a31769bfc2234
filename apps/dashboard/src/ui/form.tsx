import { SpooledError } from '@spooled/sdk';
import {
  createContext,
  useContext,
  useEffect,
  useId,
  useRef,
  useState,
  type ComponentProps,
  type ReactNode,
  type SyntheticEvent,
} from 'react';

import { useReadOnlyReason } from '../session/session-context.js';
import { ActionTrigger, Dialog } from './action.js';
import { FieldError, FormValues } from './form-values.js';
import { adviceOn } from './states.js';
import { tell } from './toasts.js';

export interface FormActionProps {
  /** Of the button that opens it, and the title of the dialog. */
  readonly label: string;
  /** Of the button that sends it. */
  readonly submit: string;
  /** What it rejects with is shown beside the field that it names, or above the buttons. */
  readonly run: (values: FormValues) => Promise<unknown>;
  /** Said when it went well. */
  readonly done?: string;
  readonly refusal?: string | undefined;
  readonly kind?: 'normal' | 'primary' | 'danger';
  /** The fields. They are made anew whenever it is opened. */
  readonly children: ReactNode;
}

/** A button that asks in a dialog for what is needed, then changes something on the server. */
export function FormAction(props: FormActionProps) {
  const { label, kind = 'normal', refusal } = props;
  const [isOpen, setIsOpen] = useState(false);
  return (
    <>
      <ActionTrigger label={label} kind={kind} refusal={refusal} onPress={() => setIsOpen(true)} />
      {isOpen && <FormDialog {...props} onClose={() => setIsOpen(false)} />}
    </>
  );
}

interface Problems {
  /** By the server's name of the field. */
  readonly fields: ReadonlyMap<string, string>;
  readonly general?: ReactNode;
}

const none: Problems = { fields: new Map() };
const FieldProblems = createContext(none.fields);

function FormDialog({
  label,
  submit,
  run,
  done,
  kind = 'normal',
  children,
  onClose,
}: FormActionProps & { readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [problems, setProblems] = useState(none);
  const [isRunning, setIsRunning] = useState(false);
  const readOnly = useReadOnlyReason();
  useEffect(() => dialog.current?.showModal(), []);

  const send = async (values: FormValues) => {
    setIsRunning(true);
    try {
      await run(values);
      dialog.current?.close();
      if (done !== undefined) tell({ kind: 'good', text: done });
    } catch (error) {
      setProblems(problemsOf(error));
      setIsRunning(false);
    }
  };
  const onSubmit = (event: SyntheticEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (isRunning || readOnly !== undefined) return;
    void send(new FormValues(new FormData(event.currentTarget)));
  };

  return (
    <Dialog ref={dialog} title={label} onClose={onClose}>
      <form className="form" onSubmit={onSubmit}>
        <FieldProblems value={problems.fields}>{children}</FieldProblems>
        {(problems.general ?? readOnly) !== undefined && (
          <p className="problem" role="alert">
            {problems.general ?? readOnly}
          </p>
        )}
        <div className="dialog-actions">
          <button type="button" className="button" onClick={() => dialog.current?.close()}>
            Never mind
          </button>
          <button
            className={`button button-${kind === 'danger' ? 'danger' : 'primary'}`}
            aria-disabled={isRunning || readOnly !== undefined}
          >
            {submit}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function problemsOf(error: unknown): Problems {
  if (error instanceof FieldError) return { fields: new Map([[error.field, error.message]]) };
  if (!(error instanceof SpooledError)) throw error;
  const fields = new Map(error.details?.map(({ field, message }) => [rootOf(field), message]));
  const general = (
    <>
      {error.message} <code>{error.code}</code>
      <br />
      {adviceOn(error)}
    </>
  );
  return { fields, general };
}

/** `events.0` is told at the field `events`. */
function rootOf(field: string): string {
  return field.split(/[.[]/)[0] ?? field;
}

interface Described {
  /** As the server names it, so that what it refuses is told beside it. */
  readonly name: string;
  readonly label: string;
  readonly hint?: ReactNode;
}

function Frame({
  name,
  label,
  hint,
  control,
}: Described & {
  readonly control: (
    props: Pick<ComponentProps<'input'>, 'id' | 'name' | 'aria-describedby' | 'aria-invalid'>,
  ) => ReactNode;
}) {
  const id = useId();
  const problem = useContext(FieldProblems).get(name);
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {control({
        id,
        name,
        'aria-describedby': `${id}-more`,
        'aria-invalid': problem !== undefined,
      })}
      <div id={`${id}-more`} className="field-more">
        {problem !== undefined && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        {hint !== undefined && <p className="muted">{hint}</p>}
      </div>
    </div>
  );
}

export function InputField({
  name,
  label,
  hint,
  ...more
}: Described & Omit<ComponentProps<'input'>, 'name'>) {
  const control = (props: ComponentProps<'input'>) => (
    <input autoComplete="off" {...more} {...props} />
  );
  return <Frame name={name} label={label} hint={hint} control={control} />;
}

export function TextField({
  name,
  label,
  hint,
  ...more
}: Described & Omit<ComponentProps<'textarea'>, 'name'>) {
  const control = ({ id, ...props }: Pick<ComponentProps<'textarea'>, 'id'>) => (
    <textarea rows={5} spellCheck={false} className="mono" {...more} {...props} id={id} />
  );
  return <Frame name={name} label={label} hint={hint} control={control} />;
}

export function CheckField({
  name,
  label,
  ...more
}: Omit<Described, 'hint'> & Omit<ComponentProps<'input'>, 'name' | 'type'>) {
  return (
    <label className="check">
      <input {...more} type="checkbox" name={name} />
      <span>{label}</span>
    </label>
  );
}

/** Several boxes of one name; at least what is `chosen` is checked at first. */
export function CheckFields({
  name,
  label,
  hint,
  options,
  chosen = [],
}: Described & { readonly options: readonly string[]; readonly chosen?: readonly string[] }) {
  const id = useId();
  const problem = useContext(FieldProblems).get(name);
  return (
    <fieldset className="field checks" aria-describedby={`${id}-more`}>
      <legend>{label}</legend>
      <div className="checks-options">
        {options.map((option) => (
          <CheckField
            key={option}
            name={name}
            label={option}
            value={option}
            defaultChecked={chosen.includes(option)}
          />
        ))}
      </div>
      <div id={`${id}-more`} className="field-more">
        {problem !== undefined && (
          <p className="problem" role="alert">
            {problem}
          </p>
        )}
        {hint !== undefined && <p className="muted">{hint}</p>}
      </div>
    </fieldset>
  );
}

/** What may be typed into a field whose `list` is the id; something else may be too. */
export function Options({ id, names }: { readonly id: string; readonly names: readonly string[] }) {
  return (
    <datalist id={id}>
      {names.map((name) => (
        <option key={name} value={name} />
      ))}
    </datalist>
  );
}
