import type { Answer } from '@spooled/sdk';
import { useState } from 'react';

import { useSession } from '../../session/session-context.js';
import { ActionButton } from '../../ui/action.js';
import { FormAction, InputField } from '../../ui/form.js';
import { SecretDialog, type Secret } from '../../ui/secret.js';

export type ApiKey = Answer<'apiKeys', 'get'>;

/** No event tells of keys: whoever changed one reads them again. */
interface Changing {
  readonly onChanged: () => void;
}

export function NewKey({ onChanged }: Changing) {
  const { client } = useSession();
  const [secret, setSecret] = useState<Secret>();
  return (
    <>
      <FormAction
        label="New key"
        submit="Create"
        kind="primary"
        run={async (values) => {
          const { key, name } = await client.apiKeys.create({
            name: values.text('name'),
            queues: values.list('queues'),
            rateLimit: values.number('rate_limit'),
            expiresAt: values.instant('expires_at'),
          });
          onChanged();
          setSecret({ title: `API key ${name}`, text: key });
        }}
      >
        <Fields />
        <InputField
          name="expires_at"
          label="Good until"
          type="datetime-local"
          hint="Empty: until it is revoked."
        />
      </FormAction>
      {secret !== undefined && (
        <SecretDialog secret={secret} onClose={() => setSecret(undefined)} />
      )}
    </>
  );
}

export function EditKey({ apiKey, onChanged }: Changing & { readonly apiKey: ApiKey }) {
  const { client } = useSession();
  return (
    <FormAction
      label="Edit"
      submit="Save"
      done={`${apiKey.name} is saved.`}
      run={async (values) => {
        await client.apiKeys.update(apiKey.id, {
          name: values.text('name'),
          queues: values.list('queues'),
          rateLimit: values.number('rate_limit') ?? null,
        });
        onChanged();
      }}
    >
      <Fields apiKey={apiKey} />
    </FormAction>
  );
}

export function RevokeKey({ apiKey, onChanged }: Changing & { readonly apiKey: ApiKey }) {
  const { client, identity } = useSession();
  const { id, name } = apiKey;
  const isOwn = id === identity.apiKeyId;
  return (
    <ActionButton
      label="Revoke"
      kind="danger"
      confirm={
        isOwn
          ? `You are signed in with ${name}: you will be signed out, and whatever else uses it stops at once.`
          : `Whatever uses ${name} stops at once, with every token and stream made from it.`
      }
      done={`${name} is revoked.`}
      run={async () => {
        await client.apiKeys.revoke(id);
        onChanged();
      }}
    />
  );
}

function Fields({ apiKey }: { readonly apiKey?: ApiKey }) {
  return (
    <>
      <InputField
        name="name"
        label="Name"
        required
        maxLength={100}
        defaultValue={apiKey?.name ?? ''}
        hint="Who or what uses it."
      />
      <InputField
        name="queues"
        label="Queues"
        defaultValue={apiKey?.queues.join(', ') ?? ''}
        hint="With commas between. Empty: every queue, and what concerns the organization as a whole."
      />
      <InputField
        name="rate_limit"
        label="Requests per minute, at most"
        type="number"
        min={1}
        max={10000}
        defaultValue={apiKey?.rateLimit ?? ''}
        hint="Empty: what the plan allows."
      />
    </>
  );
}
