import { useId } from 'react';

import { queuesResource } from '../live/queues.js';
import { schedulesResource, type Schedule } from '../live/schedules.js';
import type { Resources } from '../live/resources.js';
import { useResource } from '../live/use-resource.js';
import { useSession } from '../session/session-context.js';
import { ActionButton } from '../ui/action.js';
import type { FormValues } from '../ui/form-values.js';
import { FormAction, InputField, Options, TextField } from '../ui/form.js';
import { mayBeRounded } from '../ui/json-text.js';

export function scheduleKey(id: string): string {
  return `schedule:${id}`;
}

export function NewSchedule() {
  const { client, resources } = useSession();
  return (
    <FormAction
      label="New schedule"
      submit="Create"
      kind="primary"
      done="The schedule is there."
      run={async (values) => {
        const { id } = await client.schedules.create({
          ...fieldsOf(values),
          queueName: values.text('queue_name'),
        });
        const created = await client.schedules.get(id);
        resources.change<readonly Schedule[]>(schedulesResource.key, (rows) => [
          created,
          ...rows.filter((row) => row.id !== id),
        ]);
      }}
    >
      <Fields />
    </FormAction>
  );
}

export function EditSchedule({ schedule }: { readonly schedule: Schedule }) {
  const { client, resources } = useSession();
  return (
    <FormAction
      label="Edit"
      submit="Save"
      done={`${schedule.name} is saved.`}
      refusal={useScheduleRefusal(schedule)}
      run={async (values) => {
        const { payloadTemplate, ...fields } = fieldsOf(values);
        // Sent only when it was changed: what was read may have lost digits of its numbers.
        const isChanged =
          JSON.stringify(payloadTemplate) !== JSON.stringify(schedule.payloadTemplate);
        const body = isChanged ? { ...fields, payloadTemplate } : fields;
        know(resources, await client.schedules.update(schedule.id, body));
      }}
    >
      <Fields schedule={schedule} />
    </FormAction>
  );
}

export function PauseOrResumeSchedule({ schedule }: { readonly schedule: Schedule }) {
  const { client, resources } = useSession();
  const { id, name, isActive } = schedule;
  return (
    <ActionButton
      label={isActive ? 'Pause' : 'Resume'}
      done={isActive ? `${name} is paused.` : `${name} fires again.`}
      refusal={useScheduleRefusal(schedule)}
      run={async () =>
        know(resources, await (isActive ? client.schedules.pause(id) : client.schedules.resume(id)))
      }
    />
  );
}

export function TriggerSchedule({ schedule }: { readonly schedule: Schedule }) {
  const { client } = useSession();
  return (
    <ActionButton
      label="Trigger"
      done={`${schedule.name} made a job.`}
      refusal={useScheduleRefusal(schedule)}
      run={() => client.schedules.trigger(schedule.id)}
    />
  );
}

export function DeleteSchedule({
  schedule,
  onDeleted,
}: {
  readonly schedule: Schedule;
  readonly onDeleted: () => void;
}) {
  const { client, resources } = useSession();
  const { id, name } = schedule;
  return (
    <ActionButton
      label="Delete"
      kind="danger"
      confirm={`Delete ${name} and the record of its runs? Jobs that it made stay.`}
      done={`${name} is deleted.`}
      refusal={useScheduleRefusal(schedule)}
      run={async () => {
        await client.schedules.delete(id);
        resources.change<readonly Schedule[]>(schedulesResource.key, (rows) =>
          rows.filter((row) => row.id !== id),
        );
        onDeleted();
      }}
    />
  );
}

function Fields({ schedule }: { readonly schedule?: Schedule }) {
  const queues = useResource(queuesResource);
  const listId = useId();
  const names =
    queues.state.status === 'ready' ? queues.state.value.map(({ queueName }) => queueName) : [];
  return (
    <>
      <InputField
        name="name"
        label="Name"
        required
        maxLength={255}
        defaultValue={schedule?.name ?? ''}
      />
      <InputField
        name="cron_expression"
        label="Cron"
        required
        className="mono"
        maxLength={100}
        defaultValue={schedule?.cronExpression ?? ''}
        placeholder="0 9 * * 1-5"
        hint="Minute, hour, day of month, month, weekday; with a sixth field first, the second."
      />
      <InputField
        name="timezone"
        label="Time zone"
        list={`${listId}-zones`}
        defaultValue={schedule?.timezone ?? 'UTC'}
        hint="Such as Europe/Berlin or +05:30."
      />
      <Options id={`${listId}-zones`} names={Intl.supportedValuesOf('timeZone')} />
      {schedule === undefined && (
        <>
          <InputField name="queue_name" label="Queue" required list={listId} />
          <Options id={listId} names={names} />
        </>
      )}
      <TextField
        name="payload_template"
        label="Payload of each job, JSON"
        required
        defaultValue={JSON.stringify(schedule?.payloadTemplate ?? {}, null, 2)}
        hint={
          mayBeRounded(schedule?.payloadTemplate)
            ? 'It has numbers that a browser rounds: they stay as they are unless you change something here.'
            : undefined
        }
      />
      <InputField
        name="description"
        label="Description"
        maxLength={1000}
        defaultValue={schedule?.description ?? ''}
      />
    </>
  );
}

function fieldsOf(values: FormValues) {
  return {
    name: values.text('name'),
    cronExpression: values.text('cron_expression'),
    timezone: values.optional('timezone'),
    payloadTemplate: values.json('payload_template'),
    description: values.optional('description') ?? null,
  };
}

function useScheduleRefusal({ queueName }: Schedule): string | undefined {
  return useSession().canUseQueue(queueName)
    ? undefined
    : 'The credential does not allow this queue.';
}

/** No event tells of what is changed by hand. */
function know(resources: Resources, schedule: Schedule): void {
  resources.change<readonly Schedule[]>(schedulesResource.key, (rows) =>
    rows.map((row) => (row.id === schedule.id ? schedule : row)),
  );
  resources.change<Schedule>(scheduleKey(schedule.id), () => schedule);
}
