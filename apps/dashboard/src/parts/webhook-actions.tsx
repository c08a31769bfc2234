import type { Answer, SpooledClient } from '@spooled/sdk';
import { useState } from 'react';

import { useSession } from '../session/session-context.js';
import { ActionButton } from '../ui/action.js';
import { CheckField, CheckFields, FormAction, InputField } from '../ui/form.js';
import { SecretDialog, type Secret } from '../ui/secret.js';
import { tell } from '../ui/toasts.js';

export type Webhook = Answer<'webhooks', 'get'>;

const eventNames = [
  'job.created',
  'job.started',
  'job.completed',
  'job.failed',
  'job.cancelled',
  'queue.paused',
  'queue.resumed',
  'worker.registered',
  'worker.deregistered',
  'schedule.triggered',
] as const satisfies readonly Webhook['events'][number][];

/** What no event tells is read again by whoever changed it. */
interface Changing {
  readonly onChanged: () => void;
}

export function NewWebhook({ onChanged }: Changing) {
  const { client } = useSession();
  const [secret, setSecret] = useState<Secret>();
  return (
    <>
      <FormAction
        label="New webhook"
        submit="Create"
        kind="primary"
        done="The webhook is there."
        run={async (values) => {
          const text = newSecret();
          const name = values.text('name');
          await client.webhooks.create({
            name,
            url: values.text('url'),
            events: chosenEvents(values.checked('events')),
            secret: text,
          });
          onChanged();
          setSecret({ title: `Signing secret of ${name}`, text });
        }}
      >
        <Fields chosen={['job.completed', 'job.failed']} />
      </FormAction>
      {secret !== undefined && (
        <SecretDialog secret={secret} onClose={() => setSecret(undefined)} />
      )}
    </>
  );
}

export function EditWebhook({ webhook, onChanged }: Changing & { readonly webhook: Webhook }) {
  const { client } = useSession();
  return (
    <FormAction
      label="Edit"
      submit="Save"
      done={`${webhook.name} is saved.`}
      run={async (values) => {
        await client.webhooks.update(webhook.id, {
          name: values.text('name'),
          url: values.text('url'),
          events: chosenEvents(values.checked('events')),
          enabled: values.isChecked('enabled'),
        });
        onChanged();
      }}
    >
      <Fields chosen={webhook.events} webhook={webhook} />
      <CheckField
        name="enabled"
        label="Deliver to it (enabling forgets past failures)"
        defaultChecked={webhook.enabled}
      />
    </FormAction>
  );
}

export function RotateSecret({ webhook: { id, name } }: { readonly webhook: Webhook }) {
  const { client } = useSession();
  const [secret, setSecret] = useState<Secret>();
  return (
    <>
      <ActionButton
        label="Rotate secret"
        confirm={`Give ${name} a new signing secret? The old one signs too for a day, so that the receiver can change.`}
        run={async () => {
          const text = newSecret();
          await client.webhooks.rotateSecret(id, text);
          setSecret({ title: `New signing secret of ${name}`, text });
        }}
      />
      {secret !== undefined && (
        <SecretDialog secret={secret} onClose={() => setSecret(undefined)} />
      )}
    </>
  );
}

export function TestWebhook({
  webhook: { id, name },
  onChanged,
}: Changing & { readonly webhook: Webhook }) {
  const { client } = useSession();
  return (
    <ActionButton
      label="Send a test"
      run={async () => {
        tellTest(name, await client.webhooks.test(id));
        onChanged();
      }}
    />
  );
}

export function DeleteWebhook({
  webhook: { id, name },
  onChanged,
}: Changing & { readonly webhook: Webhook }) {
  const { client } = useSession();
  return (
    <ActionButton
      label="Delete"
      kind="danger"
      confirm={`Delete ${name}? What was not delivered yet is dropped.`}
      done={`${name} is deleted.`}
      run={async () => {
        await client.webhooks.delete(id);
        onChanged();
      }}
    />
  );
}

function Fields({
  chosen,
  webhook,
}: {
  readonly chosen: readonly string[];
  readonly webhook?: Webhook;
}) {
  return (
    <>
      <InputField
        name="name"
        label="Name"
        required
        maxLength={255}
        defaultValue={webhook?.name ?? ''}
      />
      <InputField
        name="url"
        label="URL"
        type="url"
        required
        maxLength={2048}
        defaultValue={webhook?.url ?? ''}
        placeholder="https://example.com/spooled"
        hint="Each delivery is a POST with a signature."
      />
      <CheckFields
        name="events"
        label="Events"
        options={eventNames}
        chosen={chosen}
        hint="At least one."
      />
    </>
  );
}

function chosenEvents(names: readonly string[]): Webhook['events'] {
  return eventNames.filter((name) => names.includes(name));
}

function tellTest(
  name: string,
  {
    success,
    statusCode,
    responseTimeMs,
    error,
  }: Awaited<ReturnType<SpooledClient['webhooks']['test']>>,
): void {
  const answer = statusCode === null ? (error ?? 'no answer') : `status ${statusCode}`;
  const text = `${name} ${success ? 'took' : 'did not take'} the test: ${answer}, ${responseTimeMs} ms.`;
  tell({ kind: success ? 'good' : 'bad', text });
}

const SECRET_BYTES = 32;

/** As Standard Webhooks writes it. The server keeps it and never shows it. */
function newSecret(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
  return `whsec_${btoa(String.fromCharCode(...bytes))}`;
}
